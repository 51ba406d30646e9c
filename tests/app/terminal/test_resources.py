from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest

from streamfer.app.terminal.resources import GpuUse, ResourceMeter


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class FakeNvml:
    """The module `pynvml` on a machine with one GPU, 42 % busy, 3 GiB used."""

    class NVMLError(Exception):
        pass

    def __init__(self, *, failing: str = "") -> None:
        self.failing = failing
        self.index: int | None = None

    def _called(self, name: str) -> None:
        if self.failing == name:
            raise self.NVMLError(name)

    def nvmlInit(self) -> None:
        self._called("init")

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:
        self._called("handle")
        self.index = index
        return object()

    def nvmlDeviceGetMemoryInfo(self, handle: object) -> SimpleNamespace:
        self._called("memory")
        return SimpleNamespace(used=3 * 2**30)

    def nvmlDeviceGetUtilizationRates(self, handle: object) -> SimpleNamespace:
        self._called("use")
        return SimpleNamespace(gpu=42)


def test_measures_this_process_at_most_once_a_second() -> None:
    clock = Clock()
    meter = ResourceMeter("cpu", clock)
    assert meter.read() is None
    sum(range(200_000))
    clock.now_s = 1.0
    use = meter.read()
    assert use is not None
    assert use.cores >= 1
    assert use.busy_cores >= 0
    assert 2**20 < use.memory_bytes < 2**40
    assert use.gpu is None
    clock.now_s = 1.5
    assert meter.read() is use
    clock.now_s = 2.0
    assert meter.read() is not use


@pytest.mark.parametrize(
    ("device", "visible", "index"),
    [
        ("cuda", None, 0),
        ("cuda:1", None, 1),
        ("cuda:0", "3,5", 3),
        ("cuda:1", "3,5", 5),
        ("cuda:2", "3,5", None),
        ("cuda:0", "GPU-8b1d", None),
        ("cpu", None, None),
        ("cuda:x", None, None),
    ],
)
def test_the_gpu_is_the_one_that_the_run_uses(
    monkeypatch: pytest.MonkeyPatch, device: str, visible: str | None, index: int | None
) -> None:
    nvml = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", cast(ModuleType, nvml))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    clock = Clock()
    meter = ResourceMeter(device, clock)
    clock.now_s = 1.0
    use = meter.read()
    assert use is not None
    assert nvml.index == index
    assert use.gpu == (None if index is None else GpuUse(0.42, 3 * 2**30))


@pytest.mark.parametrize("failing", ["init", "handle", "memory", "use", "package"])
def test_a_driver_that_does_not_tell_is_no_error(
    monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    nvml = None if failing == "package" else FakeNvml(failing=failing)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", cast(ModuleType, nvml))
    clock = Clock()
    meter = ResourceMeter("cuda:0", clock)
    clock.now_s = 1.0
    use = meter.read()
    assert use is not None
    assert use.gpu is None
