"""TensorRT through the fake: calls, order and failures. Speed and accuracy need a GPU."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from streamfer.errors import EngineError
from streamfer.runtime.backends.tensorrt import TensorRtEngine, is_compiled
from streamfer.runtime.model import Precision
from streamfer.runtime.store.store import EngineStore
from tests.support.fake_tensorrt import VERSIONS, FakeTensorRT
from tests.support.models import small_network
from tests.support.queues import HostQueue

MODEL = small_network()
IMAGES = {"images": np.full((3, 8, 8, 3), 90, dtype=np.uint8)}


class Bench:
    """A store, its lines, and TensorRT as it is installed at the moment."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.lines: list[str] = []
        self.store = EngineStore(root, self.lines.append)
        self._patch = patch

    def install(self, version: str = VERSIONS[-1], failure: str = "") -> FakeTensorRT:
        trt = FakeTensorRT(version, failure)
        self._patch.setitem(sys.modules, "tensorrt", trt)
        return trt

    def open(
        self, precision: Precision = "fp32", gpu: str = "H100 (sm_90)", **options: object
    ) -> TensorRtEngine:
        return TensorRtEngine(
            MODEL, gpu=gpu, precision=precision, store=self.store, queue=HostQueue(), **options
        )  # type: ignore[arg-type]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_the_build_is_bounded_and_honest(bench: Bench) -> None:
    trt = bench.install()
    bench.open().close()
    assert trt.settings["limits"] == {trt.MemoryPoolType.WORKSPACE: 2 << 30}
    assert trt.settings["cleared"] == [trt.BuilderFlag.TF32]
    (profile,) = trt.settings["profiles"]
    assert profile._shapes == {"images": [[1, 8, 8, 3], [8, 8, 8, 3], [128, 8, 8, 3]]}


def test_the_second_start_builds_nothing(bench: Bench) -> None:
    trt = bench.install()
    for _ in range(2):
        bench.open().close()
    assert trt.builds == 1
    assert bench.lines == []


def test_another_version_or_gpu_is_a_rebuild(bench: Bench) -> None:
    bench.install("10.16.1.11")
    bench.open().close()
    trt = bench.install("11.4.0.106")
    bench.open().close()
    bench.open(gpu="L4 (sm_89)").close()
    assert trt.builds == 2
    assert bench.lines == [
        "small: rebuilding for tensorrt: version was 10.16.1.11, is 11.4.0.106",
        "small: rebuilding for tensorrt: device was H100 (sm_90), is L4 (sm_89)",
    ]


def test_fp16_is_in_the_network(bench: Bench) -> None:
    bench.install()
    engine = bench.open("fp16")
    full = bench.open("fp32")
    assert engine.precision == "fp16"
    half_probs, probs = engine.run(IMAGES)["probs"], full.run(IMAGES)["probs"]
    assert half_probs.dtype == np.float32
    np.testing.assert_allclose(half_probs, probs, atol=5e-3)
    assert (half_probs != probs).any()
    engine.close()
    full.close()


def test_a_network_without_half_layers_is_not_fp16(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.install()
    monkeypatch.setattr("streamfer.runtime.backends.tensorrt.half_precision", lambda model: model)
    with pytest.raises(EngineError, match="asked for fp16, but 0 of its layers are in float16"):
        bench.open("fp16")


@pytest.mark.parametrize("version", VERSIONS)
def test_progress_is_that_of_the_outermost_phase(bench: Bench, version: str) -> None:
    bench.install(version)
    told: list[tuple[str, float]] = []
    bench.open(on_progress=lambda text, share: told.append((text, share))).close()
    assert told == [("compiling small for TensorRT", share) for share in (0.25, 0.5, 0.75, 1.0)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("failure", "says"),
    [
        ("driver", "small: TensorRT finds no usable NVIDIA driver: CUDA initialization failure"),
        ("parse", "small: TensorRT cannot read it: In node 3: no importer"),
        ("build", "small: TensorRT cannot compile it: Out of memory$"),
        ("runtime", "TensorRT finds no usable NVIDIA driver"),
        ("deserialize", "TensorRT refuses the compiled engine: Version tag does not match"),
        ("context", "small: TensorRT has no memory for another batch size"),
        ("shape", r"small: input images: \(4, 8, 8, 3\) is outside the profile"),
        ("missing", "small: TensorRT lacks the shapes of images"),
        ("address", "small: TensorRT refuses the memory of"),
        ("execute", "small: TensorRT could not queue a run"),
    ],
)
def test_every_failure_is_one_clear_line(
    bench: Bench, version: str, failure: str, says: str
) -> None:
    bench.install(version, failure)
    with pytest.raises(EngineError, match=says) as caught:
        bench.open().run(IMAGES)
    assert "\n" not in str(caught.value)


def test_a_stored_engine_that_it_refuses_is_rebuilt(bench: Bench) -> None:
    bench.install()
    bench.open().close()
    (entry,) = (e for e in bench.store.entries() if e.key and e.key.model == MODEL.name)
    (entry.path / "engine.bin").write_bytes(b"garbage")
    trt = bench.install()
    engine = bench.open()
    assert engine.run(IMAGES)["probs"].shape == (3, 7)
    engine.close()
    assert trt.builds == 1
    assert bench.lines == ["small: rebuilding for tensorrt: the stored one is damaged"]


def timings(bench: Bench) -> list[bytes]:
    """What the store holds of timings."""
    entries = [entry.key for entry in bench.store.entries() if entry.key is not None]
    return [bench.store.read(key) or b"" for key in entries if key.model == "timings"]


@pytest.mark.parametrize("version", VERSIONS)
def test_timings_are_kept_between_builds_on_one_gpu(bench: Bench, version: str) -> None:
    trt = bench.install(version)
    bench.open("fp32").close()
    bench.open("fp16").close()
    assert trt.settings["timings"] == [2]
    assert timings(bench) == [f"{version} 2".encode()]
    bench.open("fp32", gpu="L4 (sm_89)").close()
    assert trt.settings["timings"] == [1]
    assert len(timings(bench)) == 2


@pytest.mark.parametrize("stored", [b"garbage", b"10.1.0 7"])
def test_timings_that_it_refuses_are_begun_anew(bench: Bench, stored: bytes) -> None:
    trt = bench.install()
    bench.open("fp32").close()
    (key,) = (e.key for e in bench.store.entries() if e.key and e.key.model == "timings")
    bench.store.replace(key, stored)
    bench.open("fp16").close()
    assert trt.settings["timings"] == [1]


def test_it_builds_without_timings_too(bench: Bench) -> None:
    bench.install(failure="timings")
    bench.open().close()
    assert timings(bench) == []


def test_a_failed_build_keeps_its_timings(bench: Bench) -> None:
    bench.install(failure="build")
    with pytest.raises(EngineError, match="cannot compile"):
        bench.open()
    assert len(timings(bench)) == 1


def test_a_build_can_be_cancelled(bench: Bench) -> None:
    trt = bench.install()

    def cancel(step: str, fraction: float) -> None:
        bench.store.cancelled.set()

    with pytest.raises(EngineError, match="small: compiling for TensorRT was cancelled"):
        bench.open(on_progress=cancel)
    assert trt.builds == 1
    assert not is_compiled(MODEL, "H100 (sm_90)", "fp32", bench.store)


def test_it_knows_what_is_compiled(bench: Bench) -> None:
    bench.install()
    bench.open("fp16").close()
    assert is_compiled(MODEL, "H100 (sm_90)", "fp16", bench.store)
    assert not is_compiled(MODEL, "H100 (sm_90)", "fp32", bench.store)
    assert not is_compiled(MODEL, "L4 (sm_89)", "fp16", bench.store)


def test_a_missing_library_says_how_to_install_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(EngineError, match=r"install it with: pip install 'streamfer\[gpu\]'"):
        bench.open()


def test_the_fake_rejects_names_that_a_version_lacks() -> None:
    trt = FakeTensorRT("11.4.0.106")
    with pytest.raises(AssertionError, match="has no NoSuchThing"):
        trt.NoSuchThing  # noqa: B018
    assert not hasattr(trt.BuilderFlag, "FP16")
    assert hasattr(FakeTensorRT("10.13.3.9").BuilderFlag, "FP16")
