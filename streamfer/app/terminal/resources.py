"""What the run takes of the machine: processor, memory, and the NVIDIA GPU it runs on."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType

import psutil

_INTERVAL_S = 1.0
"""Between two measurements: walking the child processes takes milliseconds."""


@dataclass(frozen=True, slots=True)
class GpuUse:
    """Of the whole GPU, all programs together."""

    busy: float
    """Fraction of the time in which something ran, 0–1."""
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """At one moment, child processes included."""

    busy_cores: float
    """Processor time per time: 1.5 is one and a half cores."""
    cores: int
    memory_bytes: int
    """Resident."""
    gpu: GpuUse | None


class ResourceMeter:
    """Measures at most once a second, however often it is asked.

    Args:
        device: the engine's device; `cuda:N` adds the GPU.
        clock: monotonic, in seconds.
    """

    def __init__(self, device: str, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._process = psutil.Process()
        self._gpu = _NvmlGpu.open(device)
        self._before_s = clock()
        self._cpu_before_s = self._measure()[0]
        self._use: ResourceUse | None = None

    def read(self) -> ResourceUse | None:
        """The newest measurement; None in the first second."""
        now = self._clock()
        if now - self._before_s >= _INTERVAL_S:
            cpu_s, memory = self._measure()
            busy = max(cpu_s - self._cpu_before_s, 0.0) / (now - self._before_s)
            gpu = self._gpu.read() if self._gpu else None
            self._use = ResourceUse(busy, psutil.cpu_count() or 1, memory, gpu)
            self._before_s, self._cpu_before_s = now, cpu_s
        return self._use

    def _measure(self) -> tuple[float, int]:
        """Processor seconds and resident bytes of this process and its children."""
        cpu_s, memory = 0.0, 0
        for process in (self._process, *self._process.children(recursive=True)):
            with suppress(psutil.Error):  # a child may end at any moment
                times = process.cpu_times()
                cpu_s += times.user + times.system
                memory += process.memory_info().rss
        return cpu_s, memory


class _NvmlGpu:
    """One GPU through the driver's management library."""

    def __init__(self, nvml: ModuleType, handle: object) -> None:
        self._nvml = nvml
        self._handle = handle

    @classmethod
    def open(cls, device: str) -> _NvmlGpu | None:
        """The GPU behind a device name; None for other devices or where nobody tells of it."""
        index = _driver_index(device)
        if index is None:
            return None
        try:
            import pynvml
        except ModuleNotFoundError:  # it comes with the extra `gpu`
            return None
        try:
            pynvml.nvmlInit()
            return cls(pynvml, pynvml.nvmlDeviceGetHandleByIndex(index))
        except pynvml.NVMLError:
            return None

    def read(self) -> GpuUse | None:
        """Use at this moment; None where the driver does not tell."""
        try:
            memory = self._nvml.nvmlDeviceGetMemoryInfo(self._handle)
            use = self._nvml.nvmlDeviceGetUtilizationRates(self._handle)
        except self._nvml.NVMLError:
            return None
        return GpuUse(use.gpu / 100, memory.used)


def _driver_index(device: str) -> int | None:
    """The driver's number of a CUDA device, which CUDA_VISIBLE_DEVICES renumbers."""
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number or "0").isdecimal():
        return None
    index = int(number or 0)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return index
    names = visible.split(",")
    return int(names[index]) if index < len(names) and names[index].isdecimal() else None
