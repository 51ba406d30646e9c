"""OpenVINO on the CPU: about twice the speed of ONNX Runtime on x86."""

from __future__ import annotations

import functools
import importlib
import io
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from streamfer.engine import Array, TensorSpec
from streamfer.errors import EngineError
from streamfer.runtime.forks import note_use
from streamfer.runtime.hardware import BF16_FEATURES, find_cpu
from streamfer.runtime.model import BareRun, OnnxModel, Precision, check_inputs, check_precision
from streamfer.runtime.store.engine_key import EngineKey
from streamfer.runtime.store.store import EngineStore

_PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "int8")
_RECIPE = 3
_exclusive = threading.RLock()
"""Held during every call of the core: it takes its own locks in either order, so that threads which
open networks at the same time could wait for each other for ever."""
_UNWANTED_MODULES = ("openvino.tools.ovc", "openvino_telemetry")


class OpenVinoEngine:
    """An engine on OpenVINO's CPU plugin.

    Args:
        model: the network.
        precision: `fp32`, `bf16` (slow on CPUs without it), or `int8` for a quantised file.
        threads: threads of one run; None leaves the choice to OpenVINO.
        store: keeps the compiled network, so that the next start is quick.

    Raises:
        EngineError: the file is broken, or the precision is not to be had.
    """

    backend = "openvino"
    device = "cpu"

    def __init__(
        self,
        model: OnnxModel,
        *,
        precision: Precision = "fp32",
        threads: int | None = None,
        store: EngineStore | None = None,
    ) -> None:
        check_precision(model, self.backend, precision, _PRECISIONS)
        properties: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            # Decoder and encoder share the cores: a pinned thread waits for its own to be free.
            "ENABLE_CPU_PINNING": False,
            # Not in the exported file: without it a CPU with bf16 runs an imported network in that.
            "INFERENCE_PRECISION_HINT": _float_type(precision),
        }
        if threads is not None:
            properties["INFERENCE_NUM_THREADS"] = threads
        note_use()
        compiled = _compile(model, precision, properties, store)
        self.name = model.name
        self.sha256 = model.sha256
        self.precision: str = precision
        self.inputs = tuple(_spec(port) for port in compiled.inputs)
        self.outputs = tuple(_spec(port) for port in compiled.outputs)
        with _exclusive:
            self._request: Any = compiled.create_infer_request()

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the network once; see `Engine.run`."""
        if self._request is None:
            raise EngineError(f"{self.name}: the engine is closed")
        check_inputs(self.name, self.inputs, inputs)
        try:
            results = self._request.infer(dict(inputs), share_inputs=True)
        except RuntimeError as error:
            raise EngineError(f"{self.name}: OpenVINO failed: {_last_line(error)}") from error
        return {spec.name: results[index] for index, spec in enumerate(self.outputs)}

    def close(self) -> None:
        """Frees the compiled network."""
        with _exclusive:
            self._request = None


def _float_type(precision: Precision) -> str:
    """What the float parts of a network compute in; quantised parts carry their type in the file.

    Who takes int8 takes bf16 beside it where the CPU has that: float32 was a half of the time of
    the shipped face network, whose encoder is not quantised.
    """
    if precision == "int8":
        return "bf16" if BF16_FEATURES & set(find_cpu().features) else "f32"
    return "bf16" if precision == "bf16" else "f32"


def bare_openvino(
    model: OnnxModel, precision: Precision = "fp32", threads: int | None = None
) -> BareRun:
    """OpenVINO called directly, as it comes: what the engine is measured against.

    Its answers lie in memory that the next call overwrites.

    Args:
        model: the network.
        precision: as of the engine.
        threads: threads of one run; None leaves the choice to OpenVINO.
    """
    properties: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": _float_type(precision),
    }
    if threads is not None:
        properties["INFERENCE_NUM_THREADS"] = threads
    with _exclusive:
        core = _core()
        compiled = core.compile_model(core.read_model(model.data), "CPU", properties)
        request = compiled.create_infer_request()
    return lambda inputs: request.infer(inputs, share_inputs=True, share_outputs=True)


def import_openvino() -> Any:
    """Imports OpenVINO without its model converter.

    The converter, which nothing here needs, reports its import to Google Analytics and takes most
    of the time; OpenVINO itself allows it to be absent. Every import of OpenVINO goes through here.

    Raises:
        EngineError: OpenVINO is missing or cannot be loaded.
    """
    absent = [name for name in _UNWANTED_MODULES if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None: not importable
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise EngineError(f"OpenVINO cannot be loaded: {error}") from error
    finally:
        for name in absent:
            del sys.modules[name]


@functools.cache
def _core() -> Any:
    """The process's one OpenVINO core, which stays, with its CPU plugin loaded.

    The plugin gives the thread that loads it an alternate signal stack. That stack is too small for
    several signals at once, which killed the process, and is freed without being taken back when
    the plugin is unloaded. So a thread loads it that does nothing else and ends, and it is never
    unloaded.
    """
    openvino = import_openvino()

    def load() -> Any:
        core = openvino.Core()
        core.get_property("CPU", "FULL_DEVICE_NAME")  # the first question loads the plugin
        return core

    with ThreadPoolExecutor(1, "openvino") as loader:
        return loader.submit(load).result()


def _compile(
    model: OnnxModel, precision: Precision, properties: dict[str, Any], store: EngineStore | None
) -> Any:
    """The compiled network, from the store where it holds it."""
    with _exclusive:
        version = import_openvino().get_version()
        core = _core()

    def compile_fresh() -> Any:
        try:
            with _exclusive:
                return core.compile_model(core.read_model(model.data), "CPU", properties)
        except RuntimeError as error:
            raise EngineError(
                f"{model.name}: OpenVINO cannot compile it: {_last_line(error)}"
            ) from error

    def export() -> bytes:
        blob = io.BytesIO()
        with _exclusive:
            compile_fresh().export_model(blob)
        return blob.getvalue()

    def load(blob: bytes) -> Any:
        try:
            with _exclusive:
                return core.import_model(io.BytesIO(blob), "CPU", properties)
        except RuntimeError as error:
            raise EngineError(f"OpenVINO refuses it: {_last_line(error)}") from error

    if store is None:
        return compile_fresh()
    key = EngineKey(
        model=model.name,
        model_sha256=model.sha256,
        backend="openvino",
        version=version,
        device=str(find_cpu()),
        precision=precision,
        shapes="",
        recipe=_RECIPE,
    )
    return store.open(key, export, load)


def _spec(port: Any) -> TensorSpec:
    shape = tuple(
        side.get_length() if side.is_static else None for side in port.get_partial_shape()
    )
    return TensorSpec(port.get_any_name(), np.dtype(port.get_element_type().to_dtype()), shape)


def _last_line(error: BaseException) -> str:
    """The line of OpenVINO's several that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
