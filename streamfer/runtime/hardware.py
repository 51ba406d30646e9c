"""What this machine can compute on, found without loading any framework."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

_FEATURES_THAT_MATTER = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "bf16",
    "i8mm",
)
"""CPU flags by which inference libraries choose their kernels (x86 and ARM names)."""

BF16_FEATURES = frozenset({"avx512_bf16", "amx_bf16"})
"""With one of them an x86 CPU multiplies bf16 faster than float32."""

INT8_FEATURES = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
"""With one of them an x86 CPU multiplies 8-bit integers several times as fast as floats."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor."""

    name: str
    features: tuple[str, ...]
    """Those of its instruction sets that matter to inference."""

    def __str__(self) -> str:
        return f"{self.name} ({' '.join(self.features)})" if self.features else self.name


@dataclass(frozen=True, slots=True)
class Gpu:
    """One NVIDIA GPU."""

    index: int
    name: str
    compute_capability: tuple[int, int]
    memory_bytes: int

    def __str__(self) -> str:
        major, minor = self.compute_capability
        return f"{self.name} (sm_{major}{minor})"


@functools.cache
def core_count() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def find_cpu() -> Cpu:
    """The processor of this machine."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return parse_cpuinfo(lines, platform.processor() or platform.machine())


def parse_cpuinfo(lines: list[str], fallback_name: str) -> Cpu:
    """Reads the first processor of Linux's /proc/cpuinfo.

    Args:
        lines: the file's lines; none where the system has no such file.
        fallback_name: what to call a processor that the file does not name.
    """
    values: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        values.setdefault(name.strip(), value.strip())
    flags = set((values.get("flags") or values.get("Features") or "").split())
    features = tuple(flag for flag in _FEATURES_THAT_MATTER if flag in flags)
    return Cpu(values.get("model name") or fallback_name, features)


@functools.cache
def find_gpus() -> tuple[Gpu, ...]:
    """The NVIDIA GPUs that the driver shows to this process; none without a driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return ()
    return read_gpus(driver)


_CC_MAJOR, _CC_MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR."""


def read_gpus(driver: ctypes.CDLL) -> tuple[Gpu, ...]:
    """Asks the CUDA driver for its devices; none where any call fails.

    Args:
        driver: the CUDA driver library.
    """
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return ()
    gpus = (_read_gpu(driver, index) for index in range(count.value))
    return tuple(gpu for gpu in gpus if gpu is not None)


def _read_gpu(driver: ctypes.CDLL, index: int) -> Gpu | None:
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    memory = ctypes.c_size_t()
    name = ctypes.create_string_buffer(256)
    failed = (
        driver.cuDeviceGet(ctypes.byref(device), index)
        or driver.cuDeviceGetName(name, len(name), device)
        or driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
        or driver.cuDeviceGetAttribute(ctypes.byref(major), _CC_MAJOR, device)
        or driver.cuDeviceGetAttribute(ctypes.byref(minor), _CC_MINOR, device)
    )
    if failed:
        return None
    return Gpu(index, name.value.decode(), (major.value, minor.value), memory.value)
