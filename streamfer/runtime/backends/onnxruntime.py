"""ONNX Runtime on the CPU: runs on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from streamfer.engine import Array, TensorSpec
from streamfer.errors import EngineError
from streamfer.runtime.model import BareRun, OnnxModel, check_inputs

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}
_ERRORS_ONLY = 3
"""ONNX Runtime's severity level at which it stops reporting what it optimised."""
_SPIN_US = 20
"""How long a thread that waits for work spins before it sleeps, in microseconds: long enough from
one layer of a small network to the next, which is where sleeping costs most, and too short to take
the cores from the decoder and the encoder, as the default does."""


class OnnxRuntimeEngine:
    """An engine on ONNX Runtime's CPU provider, in the precision of the file
    (float32 or quantised).

    Args:
        model: the network.
        threads: threads of one run; None takes all cores.

    Raises:
        EngineError: the file is broken or uses something this ONNX Runtime lacks.
    """

    backend = "onnxruntime"
    device = "cpu"

    def __init__(self, model: OnnxModel, *, threads: int | None = None) -> None:
        import onnxruntime as ort

        ort.disable_telemetry_events()
        options = ort.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = threads or 0  # 0: all cores
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(_SPIN_US))
        try:
            session = ort.InferenceSession(model.data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exception types share no base
            raise EngineError(f"{model.name}: ONNX Runtime cannot load it: {error}") from error
        self.name = model.name
        self.sha256 = model.sha256
        self.inputs = tuple(_spec(node) for node in session.get_inputs())
        self.outputs = tuple(_spec(node) for node in session.get_outputs())
        self.precision: str = model.precision
        self._output_names = [spec.name for spec in self.outputs]
        self._session: ort.InferenceSession | None = session

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the network once; see `Engine.run`."""
        if self._session is None:
            raise EngineError(f"{self.name}: the engine is closed")
        check_inputs(self.name, self.inputs, inputs)
        try:
            arrays = self._session.run(self._output_names, dict(inputs))
        except Exception as error:  # its exception types share no base
            raise EngineError(f"{self.name}: ONNX Runtime failed: {error}") from error
        return dict(zip(self._output_names, arrays, strict=True))

    def close(self) -> None:
        """Frees the session."""
        self._session = None


def bare_onnxruntime(model: OnnxModel, threads: int | None = None) -> BareRun:
    """ONNX Runtime called directly, as it comes: what the engine is measured against.

    Args:
        model: the network.
        threads: threads of one run; None takes all cores.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads or 0
    session = ort.InferenceSession(model.data, options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)


def _spec(node: Any) -> TensorSpec:
    shape = tuple(side if isinstance(side, int) else None for side in node.shape)
    return TensorSpec(node.name, np.dtype(_DTYPES[node.type]), shape)
