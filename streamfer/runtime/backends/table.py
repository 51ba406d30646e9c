"""Every inference backend once: what it runs on, what it computes in, and how it opens a network.

A new backend is a file beside this one and a record here. The planning, the checks, the messages
and `streamfer doctor` follow from the records; `names` lists the names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from streamfer.engine import Engine
from streamfer.runtime.backends.names import BackendName
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine, bare_onnxruntime
from streamfer.runtime.hardware import BF16_FEATURES, INT8_FEATURES
from streamfer.runtime.model import BareRun, OnnxModel, Precision, Progress
from streamfer.runtime.store.store import EngineStore


@dataclass(frozen=True, slots=True, eq=False)
class EngineRequest:
    """What a backend is asked to open."""

    model: OnnxModel
    """Its file is in `precision` where that is int8."""
    device: str
    """`cpu` or `cuda:N`."""
    gpu: str
    """Name and compute capability of the GPU; empty on the CPU."""
    precision: Precision
    store: EngineStore
    """Keeps what is compiled."""
    threads: int | None = None
    """Threads of one run on the CPU; None leaves it to the backend."""
    on_progress: Progress | None = None
    """Told how far a long build is."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One inference backend."""

    name: BackendName
    """As `--backend` takes it, and as it is imported."""
    packages: tuple[str, ...]
    """Distributions that bring it; the first that is installed tells its version."""
    open: Callable[[EngineRequest], Engine]
    """Opens a network; imports the backend only when called."""
    on_cpu: bool = False
    on_gpu: bool = False
    auto_on_cpu: bool = True
    """Whether `auto` takes it on a CPU at all."""
    x86_only: bool = False
    """Whether `auto` takes it on x86 alone."""
    needs_module: bool = False
    """Whether it runs a network's torch form, which not every network has."""
    reads_int8: bool = False
    """Whether it runs files with quantised weights and activations."""
    fast_int8: frozenset[str] = frozenset()
    """CPU features of which one makes int8 faster than floats, and as exact as with VNNI."""
    cpu_precisions: Mapping[Precision, frozenset[str]] = field(default_factory=dict)
    """What it computes in on a CPU beside float32, with the CPU features of which one is needed."""
    why: str = ""
    """Why `auto` takes it on a CPU."""
    gain: str = ""
    """What one gains by installing it, for people; empty where nothing runs without it."""
    bare: Callable[[OnnxModel, Precision, int | None], BareRun] | None = None
    """Calls it directly on a CPU, in a precision and on so many threads: what engines are measured
    against."""
    is_compiled: Callable[[OnnxModel, str, Precision, EngineStore], bool] | None = None
    """For one that compiles for minutes: whether the store holds the engine for a GPU."""


def _open_tensorrt(request: EngineRequest) -> Engine:
    from streamfer.runtime.backends.tensorrt import TensorRtEngine

    return TensorRtEngine(
        request.model,
        device=request.device,
        gpu=request.gpu,
        precision=request.precision,
        store=request.store,
        on_progress=request.on_progress,
    )


def _is_compiled_tensorrt(
    model: OnnxModel, gpu: str, precision: Precision, store: EngineStore
) -> bool:
    from streamfer.runtime.backends.tensorrt import is_compiled

    return is_compiled(model, gpu, precision, store)


def _open_torch(request: EngineRequest) -> Engine:
    from streamfer.runtime.backends.torch import TorchCudaEngine, TorchEngine

    if request.device == "cpu":
        return TorchEngine(request.model)
    return TorchCudaEngine(request.model, device=request.device, precision=request.precision)


def _open_openvino(request: EngineRequest) -> Engine:
    from streamfer.runtime.backends.openvino import OpenVinoEngine

    return OpenVinoEngine(
        request.model,
        precision=request.precision,
        threads=request.threads,
        store=request.store,
    )


def _bare_openvino(model: OnnxModel, precision: Precision, threads: int | None) -> BareRun:
    from streamfer.runtime.backends.openvino import bare_openvino

    return bare_openvino(model, precision, threads)


TENSORRT = Backend(
    "tensorrt",
    ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
    _open_tensorrt,
    on_gpu=True,
    gain="install it",
    is_compiled=_is_compiled_tensorrt,
)
TORCH = Backend(
    "torch",
    ("torch",),
    _open_torch,
    on_cpu=True,
    on_gpu=True,
    auto_on_cpu=False,
    needs_module=True,
    gain="to train and to measure, install it",
)
OPENVINO = Backend(
    "openvino",
    ("openvino",),
    _open_openvino,
    on_cpu=True,
    x86_only=True,
    reads_int8=True,
    # Twice as fast as float32 on AVX2 alone, and as exact as with VNNI.
    fast_int8=INT8_FEATURES | {"avx2"},
    cpu_precisions={"bf16": BF16_FEATURES},
    why="OpenVINO comes first on x86",
    gain="install it, it is faster than onnxruntime",
    bare=_bare_openvino,
)
ONNXRUNTIME = Backend(
    "onnxruntime",
    ("onnxruntime", "onnxruntime-gpu"),
    lambda request: OnnxRuntimeEngine(request.model, threads=request.threads),
    on_cpu=True,
    reads_int8=True,
    fast_int8=INT8_FEATURES,
    why="it runs on every CPU",
    bare=lambda model, precision, threads: bare_onnxruntime(model, threads),
)

BACKENDS: Mapping[BackendName, Backend] = {
    record.name: record for record in (TENSORRT, TORCH, OPENVINO, ONNXRUNTIME)
}
"""In the order in which `auto` prefers them. ONNX Runtime, which runs every ONNX file on every
machine, is the one that the answers of the others are held against."""
