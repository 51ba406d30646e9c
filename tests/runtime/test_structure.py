from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamfer.engine import Array
from streamfer.errors import EngineError
from streamfer.runtime.structure import (
    fill_structure,
    read_notes,
    with_notes,
    with_separate_constants,
)


def structure() -> bytes:
    """`y` = `x` · (2 · `net/weight`) + `net/bias`; `net/unread` is not used."""
    nodes = [
        helper.make_node("Mul", ["net/weight", "two"], ["layer.weight"]),
        helper.make_node("MatMul", ["x", "layer.weight"], ["product"]),
        helper.make_node("Add", ["product", "net/bias"], ["y"]),
    ]
    shapes: dict[str, list[Any]] = {"x": ["batch", 3], "net/weight": [3, 2], "net/bias": [2]}
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])]
    two = numpy_helper.from_array(np.array(2, np.float32), "two")
    graph = helper.make_graph(nodes, "net", inputs, outputs, [two])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def weights(**changes: Array) -> dict[str, Array]:
    own: dict[str, Array] = {
        "net/weight": np.arange(6, dtype=np.float32).reshape(3, 2),
        "net/bias": np.array([10, 20], np.float32),
        "net/other": np.zeros(5, np.float32),
    }
    return own | {f"net/{name}": value for name, value in changes.items()}


def test_what_weights_alone_decide_is_computed_and_put_inside() -> None:
    filled = fill_structure(structure(), weights())
    graph = onnx.load_model_from_string(filled).graph
    assert [node.op_type for node in graph.node] == ["MatMul", "Add"]
    assert [value.name for value in graph.input] == ["x"]
    assert {tensor.name for tensor in graph.initializer} == {"layer.weight", "net/bias"}
    x = np.array([[1, 2, 3]], np.float32)
    session = onnxruntime.InferenceSession(filled, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": x})
    np.testing.assert_array_equal(y, x @ (2 * weights()["net/weight"]) + weights()["net/bias"])


def test_the_same_weights_make_the_same_file() -> None:
    assert fill_structure(structure(), weights()) == fill_structure(structure(), weights())


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (weights(bias=np.zeros(3, np.float32)), r"net/bias: expected .* \(2,\), found .* \(3,\)"),
        ({}, r"net/weight: expected weights of the shape \(3, 2\), found none"),
    ],
)
def test_weights_that_do_not_fit_are_named(found: dict[str, Array], says: str) -> None:
    with pytest.raises(EngineError, match=says):
        fill_structure(structure(), found)


def test_what_is_no_structure_is_refused() -> None:
    with pytest.raises(EngineError, match="not an ONNX file"):
        fill_structure(b"something else", {})


def test_notes_are_read_again_and_not_passed_on() -> None:
    noted = with_notes(structure(), {"net": {"width": 0.5}})
    assert read_notes(noted) == {"net": {"width": 0.5}}
    assert read_notes(fill_structure(noted, weights())) == {}


def test_no_two_nodes_share_a_constant() -> None:
    nodes = [
        helper.make_node("Add", ["x", "one"], ["more"]),
        helper.make_node("Mul", ["more", "one"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    one = numpy_helper.from_array(np.ones(1, np.float32), "one")
    graph = helper.make_graph(nodes, "net", values[:1], values[1:], [one])
    data = helper.make_model(graph, ir_version=10).SerializeToString()
    separate = onnx.load_model_from_string(with_separate_constants(data)).graph
    assert separate.node[0].input[1] != separate.node[1].input[1]
    assert len(separate.initializer) == 2
