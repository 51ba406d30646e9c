from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamfer.errors import EngineError
from streamfer.runtime.hardware import Gpu
from streamfer.runtime.open_engine import (
    open_engine,
    open_serving_engine,
)
from streamfer.runtime.planning import Machine
from streamfer.runtime.self_check import sample_inputs
from tests.support.engine_bench import MODEL, Bench
from tests.support.fake_tensorrt import VERSIONS, FakeTensorRT
from tests.support.machines import PLAIN_CPU
from tests.support.models import small_network
from tests.support.queues import HostQueue


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


H100 = Gpu(0, "H100", (9, 0), 80 << 30)
GPU_MACHINE = replace(
    PLAIN_CPU,
    gpus=(H100,),
    torch_sees_gpu=True,
    versions={**PLAIN_CPU.versions, "tensorrt": VERSIONS[-1]},
)


@pytest.fixture
def tensorrt(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], FakeTensorRT]:
    """Installs TensorRT on a machine without a GPU, with what goes wrong in it."""
    monkeypatch.setattr(
        "streamfer.runtime.backends.tensorrt.SideStream", lambda device: HostQueue()
    )

    def install(failure: str = "") -> FakeTensorRT:
        trt = FakeTensorRT(VERSIONS[-1], failure)
        monkeypatch.setitem(sys.modules, "tensorrt", trt)
        return trt

    return install


@pytest.mark.parametrize("backend", ["auto", "tensorrt"])
def test_what_is_ready_serves_while_the_best_must_compile(
    bench: Bench, tensorrt: Callable[[str], FakeTensorRT], backend: str
) -> None:
    trt = tensorrt("")
    engine, successor = open_serving_engine(
        MODEL, backend=backend, store=bench.store, threads=1, machine=GPU_MACHINE
    )
    assert (engine.backend, engine.device) == ("openvino", "cpu")
    assert trt.builds == 0
    assert successor is not None
    assert successor.backend == "tensorrt"
    better = successor.open(bench.store)
    assert (better.backend, better.precision) == ("tensorrt", "fp16")
    inputs = sample_inputs(engine.inputs)
    np.testing.assert_allclose(
        better.run(inputs)["probs"], engine.run(inputs)["probs"], rtol=0.05, atol=5e-3
    )
    for opened in (engine, better):
        opened.close()


def test_what_is_compiled_serves_at_once(
    bench: Bench, tensorrt: Callable[[str], FakeTensorRT]
) -> None:
    trt = tensorrt("")
    open_engine(MODEL, store=bench.store, machine=GPU_MACHINE).close()
    assert trt.builds == 1
    engine, successor = open_serving_engine(MODEL, store=bench.store, machine=GPU_MACHINE)
    assert (engine.backend, successor) == ("tensorrt", None)
    assert trt.builds == 1
    engine.close()


def test_the_gpu_s_other_backend_comes_first(
    bench: Bench, tensorrt: Callable[[str], FakeTensorRT], monkeypatch: pytest.MonkeyPatch
) -> None:
    tensorrt("")
    monkeypatch.setattr("streamfer.runtime.backends.torch.SideStream", lambda device: HostQueue())
    engine, successor = open_serving_engine(
        small_network(torch_form=True),
        precision="fp32",
        store=bench.store,
        threads=1,
        machine=GPU_MACHINE,
    )
    assert engine.backend == "torch"
    assert successor is not None
    engine.close()


@pytest.mark.parametrize("machine", [PLAIN_CPU, GPU_MACHINE])
def test_nothing_is_worth_waiting_for_without_tensorrt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    engine, successor = open_serving_engine(MODEL, store=bench.store, threads=1, machine=machine)
    assert (engine.backend, successor) == ("openvino", None)
    engine.close()


def test_a_successor_that_fails_says_why(
    bench: Bench, tensorrt: Callable[[str], FakeTensorRT]
) -> None:
    tensorrt("build")
    engine, successor = open_serving_engine(
        MODEL, store=bench.store, threads=1, machine=GPU_MACHINE
    )
    assert successor is not None
    with pytest.raises(EngineError, match=r"small: no backend works: .*cannot compile it: Out of"):
        successor.open(bench.store)
    engine.close()


def test_a_successor_can_be_given_up(bench: Bench, tensorrt: Callable[[str], FakeTensorRT]) -> None:
    tensorrt("")
    engine, successor = open_serving_engine(
        MODEL, store=bench.store, threads=1, machine=GPU_MACHINE
    )
    assert successor is not None
    bench.store.cancelled.set()
    with pytest.raises(EngineError, match="compiling for TensorRT was cancelled"):
        successor.open(bench.store)
    engine.close()
