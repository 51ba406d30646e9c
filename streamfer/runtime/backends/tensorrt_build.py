"""Compiles an ONNX file with TensorRT."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from streamfer.errors import EngineError
from streamfer.runtime.model import OnnxModel, Precision, Progress
from streamfer.runtime.store.engine_key import EngineKey
from streamfer.runtime.store.store import EngineStore


@dataclass(frozen=True, slots=True)
class AxisRange:
    """The sizes that a dynamic axis may take, and the one to optimise for."""

    smallest: int
    optimal: int
    largest: int


BATCH = AxisRange(1, 8, 128)
"""Batch of networks that take pictures of one size: faces."""
PICTURE_BATCH = AxisRange(1, 4, 16)
"""Batch of networks that take pictures of any size: frames. Its product with the largest sides sets
the memory that TensorRT reserves."""
SIDE = AxisRange(32, 640, 1280)
"""Height and width of such pictures, in pixels."""

_WORKSPACE_BYTES = 2 << 30
_TIMINGS_RECIPE = 1


def describe_profile() -> str:
    """The ranges above, for the key of a compiled engine."""
    return f"{BATCH} {PICTURE_BATCH} {SIDE}"


def build_plan(
    trt: Any,
    model: OnnxModel,
    precision: Precision,
    gpu: str,
    store: EngineStore,
    on_progress: Progress | None,
) -> bytes:
    """Compiles a network for the current GPU; takes from seconds to minutes.

    Args:
        trt: the module `tensorrt`.
        model: the network, already in `precision`.
        precision: what the network must turn out to be in.
        gpu: name and compute capability of the current GPU, for which timings are kept.
        store: keeps the timings of kernels, which shorten the next build; tells when to give up.
        on_progress: told how far the build is.

    Returns:
        The serialised engine.

    Raises:
        EngineError: there is no driver, the file cannot be parsed or compiled, or the network is
            not in the precision asked for; or the build was cancelled.
    """
    log = error_log(trt)
    builder = _make_builder(trt, log, model)
    network = _parse(trt, builder, log, model)
    _check_precision(trt, network, model, precision)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE_BYTES)
    config.clear_flag(trt.BuilderFlag.TF32)  # fp32 means fp32
    config.add_optimization_profile(_profile(builder, network))
    monitor = _progress_monitor(trt, model.name, on_progress, store.cancelled)
    config.progress_monitor = monitor  # must outlive the build, as must the cache
    timings = _timings_key(trt, gpu)
    cache = _attach_timings(config, store.read(timings) or b"")
    plan = builder.build_serialized_network(network, config)
    if cache is not None:  # of a build that failed, too: the next one goes on from there
        store.replace(timings, bytes(cache.serialize()))
    if plan is None and store.cancelled.is_set():
        raise EngineError(f"{model.name}: compiling for TensorRT was cancelled")
    if plan is None:
        raise EngineError(f"{model.name}: TensorRT cannot compile it: {log.last}")
    return bytes(plan)


def error_log(trt: Any) -> Any:
    """A TensorRT logger that keeps the last error in `last` and prints nothing."""
    severe = (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR)

    class ErrorLog(trt.ILogger):  # type: ignore[misc]  # the base is known at run time only
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last = ""

        def log(self, severity: Any, msg: str) -> None:
            if severity in severe:
                self.last = msg.strip().partition("\n")[0]

    return ErrorLog()


def _make_builder(trt: Any, log: Any, model: OnnxModel) -> Any:
    try:
        return trt.Builder(log)
    except TypeError as error:  # the binding's way to say that there is no driver
        raise EngineError(
            f"{model.name}: TensorRT finds no usable NVIDIA driver: {log.last or error}"
        ) from error


def _parse(trt: Any, builder: Any, log: Any, model: OnnxModel) -> Any:
    """The network of an ONNX file, computing in the types that the file states."""
    strongly_typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(strongly_typed)
    parser = trt.OnnxParser(network, log)
    if not parser.parse(model.data):
        reasons = [parser.get_error(i).desc() for i in range(parser.num_errors)]
        raise EngineError(
            f"{model.name}: TensorRT cannot read it: {'; '.join(reasons) or log.last}"
        )
    return network


def _check_precision(trt: Any, network: Any, model: OnnxModel, precision: Precision) -> None:
    """A strongly typed engine computes in its network's types, so these are looked at."""
    halves = sum(
        network.get_layer(index).get_output(0).dtype == trt.DataType.HALF
        for index in range(network.num_layers)
    )
    if (precision == "fp16") != (halves > 0):
        raise EngineError(
            f"{model.name}: asked for {precision}, but {halves} of its layers are in float16"
        )


def _profile(builder: Any, network: Any) -> Any:
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        shape = tuple(tensor.shape)
        ranges = _axis_ranges(shape)
        profile.set_shape(
            tensor.name,
            tuple(axis.smallest for axis in ranges),
            tuple(axis.optimal for axis in ranges),
            tuple(axis.largest for axis in ranges),
        )
    return profile


def _axis_ranges(shape: tuple[int, ...]) -> list[AxisRange]:
    """Ranges of a network input's axes, of which the dynamic ones are negative."""
    batch = PICTURE_BATCH if any(side < 0 for side in shape[1:]) else BATCH
    ranges = [batch if shape[0] < 0 else AxisRange(*[shape[0]] * 3)]
    ranges += [SIDE if side < 0 else AxisRange(side, side, side) for side in shape[1:]]
    return ranges


def _timings_key(trt: Any, gpu: str) -> EngineKey:
    """Timings hold for all networks on one GPU under one version."""
    return EngineKey(
        model="timings",
        model_sha256="",
        backend="tensorrt",
        version=trt.__version__,
        device=gpu,
        precision="any",
        shapes="",
        recipe=_TIMINGS_RECIPE,
    )


def _attach_timings(config: Any, stored: bytes) -> Any:
    """Gives the builder the timings of earlier builds, or an empty cache if it refuses those.

    Returns:
        The cache; None where it refuses both.
    """
    for serialized in (stored, b""):
        cache = config.create_timing_cache(serialized)
        if cache is not None and config.set_timing_cache(cache, False):
            return cache
    return None


def _progress_monitor(
    trt: Any, name: str, on_progress: Progress | None, cancelled: threading.Event
) -> Any:
    """Passes on the progress of TensorRT's outermost phase, and ends a build that is cancelled. It
    is called from several threads."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # the base is known at run time only
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}
            self._lock = threading.Lock()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                with self._lock:
                    self._steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                steps = self._steps.get(phase_name)
            if steps and on_progress is not None:
                on_progress(f"compiling {name} for TensorRT", min((step + 1) / steps, 1.0))
            return not cancelled.is_set()

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                self._steps.pop(phase_name, None)

    return Monitor()
