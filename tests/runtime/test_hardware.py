from __future__ import annotations

import ctypes
from typing import Any

import pytest

from streamfer.runtime.hardware import Cpu, Gpu, find_cpu, parse_cpuinfo, read_gpus


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "processor : 0\nmodel name : Xeon\nflags : fpu avx2 amx_bf16 avx512f\n\n"
            "processor : 1\nmodel name : Other\nflags : fpu",
            Cpu("Xeon", ("avx2", "avx512f", "amx_bf16")),
        ),
        ("processor : 0\nFeatures : fp asimd bf16", Cpu("arm", ("asimd", "bf16"))),
        ("", Cpu("arm", ())),
    ],
)
def test_cpuinfo(text: str, expected: Cpu) -> None:
    assert parse_cpuinfo(text.splitlines(), "arm") == expected


def test_this_machine_has_a_processor() -> None:
    assert find_cpu().name


class FakeDriver:
    """The CUDA driver calls that `read_gpus` makes, for two GPUs."""

    def __init__(self, fails: str = "") -> None:
        self._fails = fails

    def __getattr__(self, name: str) -> Any:
        known = {
            "cuInit": lambda flags: None,
            "cuDeviceGetCount": lambda count: self._put(count, 2),
            "cuDeviceGet": lambda device, index: self._put(device, index),
            "cuDeviceGetName": self._name,
            "cuDeviceTotalMem_v2": lambda memory, device: self._put(memory, 80 << 30),
            "cuDeviceGetAttribute": lambda value, attribute, device: self._put(
                value, {75: 9, 76: 0}[attribute]
            ),
        }
        call = known[name]
        return lambda *args: 1 if name == self._fails else (call(*args), 0)[1]

    @staticmethod
    def _put(reference: Any, value: int) -> None:
        reference._obj.value = value

    @staticmethod
    def _name(buffer: Any, size: int, device: ctypes.c_int) -> None:
        buffer.value = f"GPU {device.value}".encode()[:size]


def test_gpus_are_read_from_the_driver() -> None:
    gpus = read_gpus(FakeDriver())  # type: ignore[arg-type]
    assert gpus == (Gpu(0, "GPU 0", (9, 0), 80 << 30), Gpu(1, "GPU 1", (9, 0), 80 << 30))
    assert str(gpus[0]) == "GPU 0 (sm_90)"


@pytest.mark.parametrize("fails", ["cuInit", "cuDeviceGetCount", "cuDeviceGetName"])
def test_a_driver_that_fails_has_no_gpus(fails: str) -> None:
    assert read_gpus(FakeDriver(fails)) == ()  # type: ignore[arg-type]
