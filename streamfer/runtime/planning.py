"""Which backend runs a network on this machine, and why."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass

from streamfer.errors import ConfigError, EngineError
from streamfer.runtime.backends.names import BackendName
from streamfer.runtime.backends.table import BACKENDS, ONNXRUNTIME, Backend
from streamfer.runtime.extras import install_command
from streamfer.runtime.hardware import Cpu, Gpu, find_cpu, find_gpus
from streamfer.runtime.model import OnnxModel, Precision

MAX_ACCURACY_COST = 0.003
"""Accuracy that `auto` gives up for the speed of int8, at most; a fraction."""

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


@dataclass(frozen=True, slots=True)
class Machine:
    """What the choice of a backend depends on."""

    cpu: Cpu
    gpus: tuple[Gpu, ...]
    versions: Mapping[BackendName, str]
    """Installed backends and their versions."""
    torch_sees_gpu: bool
    """Whether the installed torch can use the GPUs; CUDA backends hand tensors to it."""
    x86: bool

    def gpu_name(self, device: str) -> str:
        """Name and compute capability of the GPU `cuda:N`."""
        index = int(device.partition(":")[2])
        return next(str(gpu) for gpu in self.gpus if gpu.index == index)

    @property
    def gpu_is_usable(self) -> bool:
        """Whether there is a GPU that a backend can compute on."""
        return bool(self.gpus) and self.torch_sees_gpu


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to run a network."""

    backend: BackendName
    device: str
    """`cpu` or `cuda:N`."""
    precision: Precision
    reason: str
    """Why, for people."""


@functools.cache
def find_machine() -> Machine:
    """Looks at this machine; loads torch only where there is a GPU."""
    versions = {name: found for name, record in BACKENDS.items() if (found := _version(record))}
    gpus = find_gpus()
    return Machine(
        cpu=find_cpu(),
        gpus=gpus,
        versions=versions,
        torch_sees_gpu=bool(gpus) and "torch" in versions and _torch_sees_gpu(),
        x86=platform.machine().lower() in ("x86_64", "amd64"),
    )


def plan_engine(
    model: OnnxModel,
    machine: Machine,
    *,
    backend: str = "auto",
    device: str = "auto",
    precision: str = "auto",
) -> list[Plan]:
    """The ways to run a network that fit the request, best first.

    Args:
        model: the network.
        machine: what there is.
        backend: one of BACKENDS, or `auto`.
        device: `cpu`, `cuda`, `cuda:N`, or `auto`.
        precision: a `Precision`, or `auto`.

    Raises:
        ConfigError: the device's name is malformed.
        EngineError: nothing fits; says why, backend by backend.
    """
    if not _DEVICE.fullmatch(device):
        raise ConfigError(f"unknown device {device!r}; expected auto, cpu, cuda or cuda:N")
    asked = [record for name, record in BACKENDS.items() if backend in ("auto", name)]
    if backend != "auto" and asked[0].needs_module and model.torch_module is None:
        # What stands in for it must not be asked for what only it has; it must have it.
        where = _device(asked[0], machine, device)
        if precision != "auto":
            _precisions(asked[0], where, model, machine, precision)
        asked, device, precision = [ONNXRUNTIME], "auto", "auto"
    plans: list[Plan] = []
    obstacles: list[str] = []
    for candidate in asked:
        try:
            where = _device(candidate, machine, device)
            plans += [
                Plan(candidate.name, where, p, _reason(model, candidate, where, p, backend))
                for p in _precisions(candidate, where, model, machine, precision)
                if backend != "auto" or _eligible(candidate, where, model, machine)
            ]
        except EngineError as error:
            obstacles.append(str(error))
    if not plans:
        raise EngineError(f"{model.name}: no backend fits: {'; '.join(obstacles)}")
    return plans


def _version(backend: Backend) -> str | None:
    if importlib.util.find_spec(backend.name) is None:
        return None
    for package in backend.packages:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"


def _torch_sees_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _device(backend: Backend, machine: Machine, device: str) -> str:
    """Where a backend would run.

    Raises:
        EngineError: the backend is missing, or cannot run on the device.
    """
    if backend.name not in machine.versions:
        raise EngineError(f"{backend.name} is not installed: {install_command(backend.name)}")
    wants_cuda = device.startswith("cuda")
    if wants_cuda and not backend.on_gpu:
        raise EngineError(f"{backend.name} runs on the CPU here")
    if device == "cpu" and not backend.on_cpu:
        raise EngineError(f"{backend.name} runs on a GPU only")
    if (wants_cuda or not backend.on_cpu) and not machine.gpu_is_usable:
        lack = "there is no NVIDIA GPU" if not machine.gpus else "torch is built without CUDA"
        raise EngineError(f"{backend.name} needs CUDA and {lack}")
    if device == "cpu" or not backend.on_gpu or not machine.gpu_is_usable:
        return "cpu"
    index = int(device.partition(":")[2] or 0) if wants_cuda else 0
    if index not in {gpu.index for gpu in machine.gpus}:
        raise EngineError(f"{backend.name}: there is no GPU {index}")
    return f"cuda:{index}"


def _precisions(
    backend: Backend, device: str, model: OnnxModel, machine: Machine, asked: str
) -> list[Precision]:
    """The precisions to try on a backend, best first.

    Raises:
        EngineError: it lacks the one asked for.
    """
    offered = _offered(backend, device, model, machine)
    if asked == "auto":
        return [p for p in offered if p != "int8" or _int8_pays(backend, model, machine)]
    chosen: list[Precision] = [p for p in offered if p == asked]
    if not chosen:
        raise EngineError(
            f"{backend.name} on {device} offers {' or '.join(offered) or 'nothing'}"
            f" for this model, not {asked}"
        )
    return chosen


def _offered(backend: Backend, device: str, model: OnnxModel, machine: Machine) -> list[Precision]:
    reads_int8 = device == "cpu" and backend.reads_int8
    if model.precision == "int8":
        return ["int8"] if reads_int8 else []
    if device != "cpu":
        return ["fp16", "fp32"]
    offered: list[Precision] = ["int8"] if reads_int8 and model.int8 else []
    features = set(machine.cpu.features)
    offered += [p for p, needed in backend.cpu_precisions.items() if needed & features]
    return [*offered, "fp32"]


def _int8_pays(backend: Backend, model: OnnxModel, machine: Machine) -> bool:
    """Whether `auto` would take int8; a file that is nothing else runs on any CPU."""
    if model.int8 is None:
        return True
    fast = bool(backend.fast_int8 & set(machine.cpu.features))
    return fast and model.int8.accuracy_cost <= MAX_ACCURACY_COST


def _eligible(backend: Backend, device: str, model: OnnxModel, machine: Machine) -> bool:
    """Whether `auto` would take the backend at all."""
    if backend.needs_module and model.torch_module is None:
        return False
    return device != "cpu" or (backend.auto_on_cpu and (machine.x86 or not backend.x86_only))


def _reason(
    model: OnnxModel, backend: Backend, device: str, precision: Precision, asked: str
) -> str:
    if asked not in ("auto", backend.name):
        return f"{model.name} exists as an ONNX file only, so ONNX Runtime runs it"
    if asked != "auto":
        return "asked for"
    if device != "cpu":
        return "there is an NVIDIA GPU, and this is the fastest backend installed for it"
    why = backend.why
    if precision == "bf16":
        why += ", and this CPU computes in bf16"
    if precision == "int8" and model.int8 is not None:
        cost = f"{100 * model.int8.accuracy_cost:.2f} points of accuracy"
        why += f", this CPU multiplies 8-bit integers, and int8 costs {cost}"
    return f"no usable GPU; {why}"
