"""What every backend must do: one suite for all of them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from streamfer.engine import Array, Engine
from streamfer.errors import EngineError
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.backends.openvino import OpenVinoEngine
from streamfer.runtime.backends.tensorrt import TensorRtEngine
from streamfer.runtime.backends.torch import TorchCudaEngine, TorchEngine
from streamfer.runtime.model import OnnxModel
from streamfer.runtime.store.store import EngineStore
from tests.support.fake_tensorrt import VERSIONS, FakeTensorRT
from tests.support.gpu import require_gpu
from tests.support.models import small_network
from tests.support.queues import HostQueue

MODEL = small_network(torch_form=True)

Opener = Callable[[OnnxModel, Path, pytest.MonkeyPatch], Engine]


def fake_tensorrt(version: str) -> Opener:
    def opener(model: OnnxModel, folder: Path, patch: pytest.MonkeyPatch) -> Engine:
        patch.setitem(sys.modules, "tensorrt", FakeTensorRT(version))
        return TensorRtEngine(
            model, gpu="fake", precision="fp32", store=EngineStore(folder), queue=HostQueue()
        )

    return opener


def real_tensorrt(model: OnnxModel, folder: Path, patch: pytest.MonkeyPatch) -> Engine:
    require_gpu("tensorrt")
    return TensorRtEngine(model, gpu="real", precision="fp32", store=EngineStore(folder))


def real_torch(model: OnnxModel, folder: Path, patch: pytest.MonkeyPatch) -> Engine:
    require_gpu("torch")
    return TorchCudaEngine(model, precision="fp32")


OPENERS: dict[str, Opener] = {
    "onnxruntime": lambda model, folder, patch: OnnxRuntimeEngine(model, threads=1),
    "openvino": lambda model, folder, patch: OpenVinoEngine(model, threads=1),
    "torch": lambda model, folder, patch: TorchEngine(model),
    "torch on a host queue": lambda model, folder, patch: TorchCudaEngine(
        model, precision="fp32", queue=HostQueue()
    ),
    **{f"tensorrt fake {version}": fake_tensorrt(version) for version in VERSIONS},
    "torch cuda": real_torch,
    "tensorrt cuda": real_tensorrt,
}


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.gpu if name.endswith("cuda") else [])
        for name in OPENERS
    ]
)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def engine(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    opened = OPENERS[backend](MODEL, tmp_path, monkeypatch)
    yield opened
    opened.close()


def pictures(count: int, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {"images": rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)}


def test_it_says_what_it_is(engine: Engine, backend: str) -> None:
    assert (engine.name, engine.backend) == ("small", backend.partition(" ")[0])
    assert engine.device == ("cuda:0" if backend.endswith("cuda") else "cpu")
    assert engine.precision == "fp32"
    assert engine.sha256 == hashlib.sha256(MODEL.data).hexdigest()
    assert [(s.name, s.dtype, s.shape) for s in engine.inputs] == [
        ("images", np.uint8, (None, 8, 8, 3))
    ]
    assert [(s.name, s.dtype, s.shape) for s in engine.outputs] == [
        ("probs", np.float32, (None, 7)),
        ("mean", np.float32, (None, 4)),
    ]


@pytest.mark.parametrize("count", [1, 3, 2, 300])
def test_it_agrees_with_the_reference_at_any_batch(engine: Engine, count: int) -> None:
    reference = OnnxRuntimeEngine(MODEL, threads=1)
    inputs = pictures(count)
    ours, theirs = engine.run(inputs), reference.run(inputs)
    reference.close()
    assert ours.keys() == theirs.keys()
    np.testing.assert_allclose(ours["probs"], theirs["probs"], atol=1e-3)
    np.testing.assert_allclose(ours["mean"], theirs["mean"], rtol=1e-3)


def test_its_answers_are_the_callers_own(engine: Engine) -> None:
    first = engine.run(pictures(2, seed=1))
    kept = {name: array.copy() for name, array in first.items()}
    engine.run(pictures(2, seed=2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, kept[name])
        array[...] = 0


def test_its_inputs_stay_as_they_were(engine: Engine) -> None:
    inputs = pictures(2)
    before = inputs["images"].copy()
    engine.run(inputs)
    np.testing.assert_array_equal(inputs["images"], before)


def test_it_takes_read_only_and_strided_inputs(engine: Engine) -> None:
    plain = pictures(4)["images"]
    frozen = plain.copy()
    frozen.setflags(write=False)
    strided = np.repeat(plain, 2, axis=0)[::2]
    expected = engine.run({"images": plain})["probs"]
    np.testing.assert_array_equal(engine.run({"images": frozen})["probs"], expected)
    np.testing.assert_array_equal(engine.run({"images": strided})["probs"], expected)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({}, r"small: expected the inputs \['images'\], got \[\]"),
        (pictures(1) | {"more": np.zeros(1)}, r"got \['images', 'more'\]"),
        ({"images": np.zeros((1, 8, 8, 3), np.float32)}, "expected dtype uint8, got float32"),
        (
            {"images": np.zeros((1, 8, 9, 3), np.uint8)},
            r"expected shape \(\?, 8, 8, 3\), got \(1, 8, 9, 3\)",
        ),
        ({"images": np.zeros((8, 8, 3), np.uint8)}, r"got \(8, 8, 3\)"),
    ],
)
def test_wrong_inputs_say_expected_and_got(
    engine: Engine, inputs: dict[str, Array], says: str
) -> None:
    with pytest.raises(EngineError, match=says):
        engine.run(inputs)


def test_closing_twice_is_fine_and_running_after_is_an_error(engine: Engine) -> None:
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="small: the engine is closed"):
        engine.run(pictures(1))


@pytest.mark.parametrize("data", [b"", b"garbage", MODEL.data[: len(MODEL.data) // 2]])
def test_a_broken_file_is_named(
    backend: str, data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = OnnxModel.from_bytes("broken", data, torch_module=MODEL.torch_module)
    with pytest.raises(EngineError, match="broken:"):
        OPENERS[backend](broken, tmp_path, monkeypatch)
