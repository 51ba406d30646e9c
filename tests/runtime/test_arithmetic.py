from __future__ import annotations

import itertools

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamfer.errors import EngineError
from streamfer.runtime.arithmetic import count_flops, measure_flops_limit
from streamfer.runtime.model import OnnxModel
from tests.support.models import small_network


def one_node(kind: str, weight_shape: tuple[int, ...], **attributes: object) -> OnnxModel:
    """`x` of four or two dynamic axes through one node with a weight."""
    weight = numpy_helper.from_array(np.ones(weight_shape, np.float32), "w")
    axes = 4 if kind.startswith("Conv") else 2
    names = [f"axis{i}" for i in range(axes)]
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", "w"], ["y"], **attributes)],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, names)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [weight],
    )
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    return OnnxModel.from_bytes("one", file.SerializeToString())


@pytest.mark.parametrize(
    ("kind", "weight_shape", "attributes", "shape", "multiply_adds"),
    [
        ("Conv", (8, 3, 3, 3), {"pads": [1, 1, 1, 1]}, (2, 3, 10, 6), 2 * 8 * 10 * 6 * 27),
        ("Conv", (8, 3, 3, 3), {"pads": [1] * 4, "strides": [2, 2]}, (1, 3, 8, 8), 8 * 16 * 27),
        ("Conv", (4, 1, 3, 3), {"pads": [1] * 4, "group": 4}, (1, 4, 8, 8), 4 * 64 * 9),
        ("ConvTranspose", (3, 5, 2, 2), {"strides": [2, 2]}, (1, 3, 4, 4), 3 * 16 * 5 * 4),
        ("MatMul", (16, 7), {}, (5, 16), 5 * 16 * 7),
        ("Gemm", (16, 7), {}, (5, 16), 5 * 16 * 7),
        ("Gemm", (16, 7), {"transA": 1}, (16, 5), 5 * 16 * 7),
    ],
)
def test_a_node_s_multiply_adds(
    kind: str,
    weight_shape: tuple[int, ...],
    attributes: dict[str, object],
    shape: tuple[int, ...],
    multiply_adds: int,
) -> None:
    assert count_flops(one_node(kind, weight_shape, **attributes), {"x": shape}) == (
        2 * multiply_adds
    )


def test_a_network_s_are_those_of_its_nodes() -> None:
    per_picture = 4 * 64 * 27 + 4 * 7
    assert count_flops(small_network(), {"images": (3, 8, 8, 3)}) == 2 * 3 * per_picture


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(EngineError, match="one: its shapes do not follow"):
        count_flops(one_node("MatMul", (16, 7)), {"x": (5, 3)})


def test_the_limit_is_that_of_the_quickest_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfer.runtime.arithmetic._MATRIX_SIDE", {"cpu": 100})
    # began, ended: 4 s, 1 s, 2 s; the third ends after the time is up.
    ticks = itertools.chain([0.0], [0.0, 4.0], [4.0, 5.0], [5.0, 7.0])
    limit = measure_flops_limit("cpu", "fp32", seconds=6.0, clock=lambda: next(ticks))
    assert limit == 2 * 100**3 / 1.0


def test_integers_have_no_such_limit() -> None:
    assert measure_flops_limit("cpu", "int8") is None
