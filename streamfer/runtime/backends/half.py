"""Puts half precision into an ONNX file, where strongly typed backends look for it."""

from __future__ import annotations

from dataclasses import replace

from streamfer.errors import EngineError
from streamfer.runtime.model import NetworkFile, OnnxModel

_FLOAT32_OPERATORS = (
    "Exp",
    "Log",
    "Pow",
    "ReduceL2",
    "ReduceMean",
    "ReduceSum",
    "Resize",
    "Softmax",
    "Sqrt",
)
"""Operators that stay in float32: sums and squares of 8-bit pixels exceed float16's 65504."""


def half_precision(model: OnnxModel) -> OnnxModel:
    """The network with float16 weights and arithmetic; its inputs and outputs stay as they are.

    Raises:
        EngineError: the file is broken.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    try:
        converted = convert_float_to_float16(
            onnx.load_model_from_string(model.data),
            keep_io_types=True,
            op_block_list=list(_FLOAT32_OPERATORS),
        )
        data = bytes(converted.SerializeToString())
    except Exception as error:  # protobuf and onnx raise many unrelated types
        raise EngineError(f"{model.name}: cannot be put into float16: {error}") from error
    return replace(model, file=NetworkFile.of(data))
