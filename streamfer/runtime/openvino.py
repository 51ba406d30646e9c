"""OpenVINO on the CPU: about twice the speed of ONNX Runtime on x86."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from streamfer.engine import Array, TensorSpec
from streamfer.errors import EngineError
from streamfer.runtime.model import OnnxModel, Precision, check_inputs

_PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoEngine:
    """An engine on OpenVINO's CPU plugin.

    Args:
        model: the network.
        precision: `fp32`, or `bf16` on CPUs that compute in it.
        threads: threads of one run; None leaves the choice to OpenVINO.
        cache_dir: folder for compiled models, so that the next start is quick; None for none.

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
        cache_dir: Path | None = None,
    ) -> None:
        import openvino as ov

        if precision not in _PRECISION_HINTS:
            raise EngineError(f"{model.name}: OpenVINO runs in fp32 or bf16, not in {precision}")
        properties: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[precision],
        }
        if threads is not None:
            properties["INFERENCE_NUM_THREADS"] = threads
        if cache_dir is not None:
            properties["CACHE_DIR"] = str(cache_dir)
        try:
            core = ov.Core()
            compiled = core.compile_model(core.read_model(model.data), "CPU", properties)
        except RuntimeError as error:
            raise EngineError(
                f"{model.name}: OpenVINO cannot compile it: {_first_line(error)}"
            ) from error
        self.name = model.name
        self.sha256 = model.sha256
        self.precision: str = precision
        self.inputs = tuple(_spec(port) for port in compiled.inputs)
        self.outputs = tuple(_spec(port) for port in compiled.outputs)
        self._request: Any = compiled.create_infer_request()

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the network once; see `Engine.run`."""
        if self._request is None:
            raise EngineError(f"{self.name}: the engine is closed")
        check_inputs(self.name, self.inputs, inputs)
        try:
            results = self._request.infer(dict(inputs), share_inputs=True)
        except RuntimeError as error:
            raise EngineError(f"{self.name}: OpenVINO failed: {_first_line(error)}") from error
        return {spec.name: results[index] for index, spec in enumerate(self.outputs)}

    def close(self) -> None:
        """Frees the compiled model."""
        self._request = None


def _spec(port: Any) -> TensorSpec:
    shape = tuple(
        side.get_length() if side.is_static else None for side in port.get_partial_shape()
    )
    return TensorSpec(port.get_any_name(), np.dtype(port.get_element_type().to_dtype()), shape)


def _first_line(error: BaseException) -> str:
    """The part of OpenVINO's several lines that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
