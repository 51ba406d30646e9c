from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto

from streamfer.errors import EngineError
from streamfer.runtime.backends.half import half_precision
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.model import OnnxModel
from streamfer.runtime.self_check import RELATIVE_ERROR_LIMITS, relative_error, sample_inputs
from streamfer.vision.detection.centerface import centerface_file, centerface_onnx
from tests.support.models import small_network


def test_weights_are_half_and_the_outside_stays() -> None:
    model = small_network()
    half = half_precision(model)
    graph = onnx.load_model_from_string(half.data).graph
    assert {w.data_type for w in graph.initializer} == {TensorProto.FLOAT16}
    assert [v.type.tensor_type.elem_type for v in graph.input] == [TensorProto.UINT8]
    assert {v.type.tensor_type.elem_type for v in graph.output} == {TensorProto.FLOAT}
    assert half.name == model.name
    assert half.sha256 != model.sha256


def test_centerface_stays_within_the_limit_of_half_precision() -> None:
    model = OnnxModel.from_bytes("centerface", centerface_onnx(centerface_file()))
    full = OnnxRuntimeEngine(model, threads=1)
    half = OnnxRuntimeEngine(half_precision(model), threads=1)
    inputs = sample_inputs(full.inputs)
    expected, actual = full.run(inputs), half.run(inputs)
    for name in expected:
        assert relative_error(actual[name], expected[name]) < RELATIVE_ERROR_LIMITS["fp16"]
    full.close()
    half.close()


def test_a_broken_file_is_named() -> None:
    with pytest.raises(EngineError, match="broken: cannot be put into float16"):
        half_precision(OnnxModel.from_bytes("broken", b"garbage"))
