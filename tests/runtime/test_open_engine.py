from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from streamfer.errors import EngineError
from streamfer.runtime import open_engine as backends
from streamfer.runtime.backends.openvino import OpenVinoEngine
from streamfer.runtime.backends.tensorrt import TensorRtEngine
from streamfer.runtime.hardware import Cpu, Gpu
from streamfer.runtime.model import Int8Form, NetworkFile, OnnxModel
from streamfer.runtime.open_engine import (
    open_bare,
    open_engine,
    ready_run,
)
from streamfer.runtime.self_check import Verdict, sample_inputs
from tests.support.engine_bench import MODEL, Bench
from tests.support.machines import PLAIN_CPU
from tests.support.models import small_network


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_auto_checks_once_and_remembers(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[str] = []
    real_check = backends.self_check

    def counted(engine: object, reference: object) -> Verdict:
        checks.append("check")
        return real_check(engine, reference)  # type: ignore[arg-type]

    monkeypatch.setattr(backends, "self_check", counted)
    for _ in range(2):
        engine = open_engine(MODEL, store=bench.store, threads=1, machine=PLAIN_CPU)
        assert engine.backend == "openvino"
        engine.close()
    assert checks == ["check"]
    assert bench.lines == []


def test_auto_passes_over_a_backend_that_fails_its_check(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "self_check", lambda *engines: Verdict(False, "probs", 0.7))
    engine = open_engine(MODEL, store=bench.store, threads=1, machine=PLAIN_CPU)
    assert engine.backend == "onnxruntime"
    engine.close()
    assert len(bench.lines) == 1
    assert "failed its self-check (probs is off by 0.7); trying the next" in bench.lines[0]


def test_auto_passes_over_a_backend_that_breaks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, *args: object, **options: object) -> None:
        raise EngineError("no kernel")

    monkeypatch.setattr(OpenVinoEngine, "__init__", broken)
    engine = open_engine(MODEL, store=bench.store, threads=1, machine=PLAIN_CPU)
    assert engine.backend == "onnxruntime"
    engine.close()
    assert len(bench.lines) == 1
    assert bench.lines[0].endswith("no kernel; trying the next backend")


VNNI_MACHINE = replace(PLAIN_CPU, cpu=Cpu("cpu", ("avx512_vnni",)))


def quantised(factor: float) -> OnnxModel:
    """A network whose int8 form multiplies the convolution's weights by a factor."""

    def make() -> NetworkFile:
        file = onnx.load_model_from_string(MODEL.data)
        weight = file.graph.initializer[0]
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * factor, "weight"))
        return NetworkFile.of(bytes(file.SerializeToString()))

    return replace(MODEL, int8=Int8Form(make, accuracy_cost=0.0))


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(("factor", "precision"), [(1.0, "int8"), (2.0, "fp32")])
def test_auto_holds_int8_against_float32(
    bench: Bench, backend: str, factor: float, precision: str
) -> None:
    versions = {b: v for b, v in PLAIN_CPU.versions.items() if b == backend}
    if backend == "openvino":
        pytest.importorskip("openvino")
    machine = replace(VNNI_MACHINE, versions=versions)
    engine = open_engine(quantised(factor), store=bench.store, threads=1, machine=machine)
    assert (engine.backend, engine.precision) == (backend, precision)
    assert open_bare(quantised(factor), engine, threads=1) is not None
    engine.close()
    assert len(bench.lines) == (precision != "int8")


def test_a_backend_asked_for_is_not_replaced(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, *args: object, **options: object) -> None:
        raise EngineError("no kernel")

    monkeypatch.setattr(OpenVinoEngine, "__init__", broken)
    with pytest.raises(EngineError, match="no kernel"):
        open_engine(MODEL, backend="openvino", store=bench.store, machine=PLAIN_CPU)


def test_a_broken_file_names_every_attempt(bench: Bench) -> None:
    broken = OnnxModel.from_bytes("broken", b"not a model")
    with pytest.raises(EngineError, match=r"broken: no backend works: .*OpenVINO.*ONNX Runtime"):
        open_engine(broken, store=bench.store, machine=PLAIN_CPU)


def test_a_corrupted_compiled_network_is_rebuilt(bench: Bench) -> None:
    images = {"images": np.full((1, 8, 8, 3), 90, dtype=np.uint8)}
    answers = []
    for _ in range(2):
        engine = open_engine(MODEL, backend="openvino", store=bench.store, threads=1)
        answers.append(engine.run(images)["probs"])
        engine.close()
        (entry,) = bench.store.entries()
        (entry.path / "engine.bin").write_bytes(b"garbage")
    np.testing.assert_array_equal(*answers)
    assert bench.lines == ["small: rebuilding for openvino: the stored one is damaged"]


@pytest.mark.parametrize(("torch_form", "backend"), [(True, "torch"), (False, "onnxruntime")])
def test_torch_runs_what_has_its_form(bench: Bench, torch_form: bool, backend: str) -> None:
    model = small_network(torch_form=torch_form)
    engine = open_engine(model, backend="torch", store=bench.store, machine=PLAIN_CPU)
    assert engine.backend == backend
    engine.close()


def test_tensorrt_is_opened_for_the_gpu_planned(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}

    def opened(self: object, model: OnnxModel, **options: object) -> None:
        asked.update(options)
        raise EngineError("enough")

    monkeypatch.setattr(TensorRtEngine, "__init__", opened)
    machine = replace(
        PLAIN_CPU,
        gpus=(Gpu(0, "L4", (8, 9), 24 << 30), Gpu(1, "H100", (9, 0), 80 << 30)),
        torch_sees_gpu=True,
        versions={**PLAIN_CPU.versions, "tensorrt": "11.4"},
    )
    engine = open_engine(MODEL, store=bench.store, threads=1, machine=machine)
    assert engine.backend == "openvino"
    engine.close()
    assert [line.rpartition(": ")[2] for line in bench.lines] == [
        "enough; trying the next backend",
        "enough; trying the next backend",
    ]
    with pytest.raises(EngineError, match="enough"):
        open_engine(MODEL, device="cuda:1", store=bench.store, machine=machine)
    assert asked["device"] == "cuda:1"
    assert asked["gpu"] == "H100 (sm_90)"


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_bare_backend_gives_the_engine_s_answers(bench: Bench, backend: str) -> None:
    engine = open_engine(MODEL, backend=backend, store=bench.store, threads=1, machine=PLAIN_CPU)
    bare = open_bare(MODEL, engine, threads=1)
    assert bare is not None
    inputs = sample_inputs(engine.inputs)
    expected = engine.run(inputs)
    answers: Any = bare(inputs)
    arrays = answers if backend == "onnxruntime" else answers.values()
    for array, expected_array in zip(arrays, expected.values(), strict=True):
        np.testing.assert_allclose(array, expected_array, rtol=1e-5)
    engine.close()


def test_torch_has_no_bare_backend(bench: Bench) -> None:
    engine = open_engine(
        small_network(torch_form=True), backend="torch", store=bench.store, machine=PLAIN_CPU
    )
    assert open_bare(MODEL, engine) is None
    engine.close()


def test_a_ready_run_on_the_cpu_is_an_ordinary_one(bench: Bench) -> None:
    engine = open_engine(MODEL, store=bench.store, threads=1, machine=PLAIN_CPU)
    inputs = sample_inputs(engine.inputs)
    answers = ready_run(engine, inputs)()
    assert isinstance(answers, dict)
    np.testing.assert_array_equal(answers["probs"], engine.run(inputs)["probs"])
    engine.close()
