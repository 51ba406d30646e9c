"""Post-training quantisation: convolutions of an ONNX network in 8-bit integers.

The rules are those of Jacob et al. (2018) in the form that ONNX calls QDQ: a pair of QuantizeLinear
and DequantizeLinear before a convolution says what its input and its weights are rounded to, and
the backends fuse the pairs into integer kernels. Weights are symmetric int8 with one scale for each
output channel; inputs, which come from a ReLU, are uint8 from 0 to a given limit; biases are int32.

Written here, because convolutions behind ReLUs need none of what NNCF and the quantiser
of ONNX Runtime bring, and both would want the training faces where the network is exported: on the
user's machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfer.errors import EngineError
from streamfer.types import FloatArray

_UINT8_MAX = 255
_INT8_MAX = 127
_INT32_MAX = 2**31 - 1


def quantise_convolutions(onnx_model: bytes, limits: Mapping[str, float]) -> bytes:
    """Makes convolutions compute in int8; everything else stays as it is.

    Args:
        onnx_model: a float32 network.
        limits: for each convolution, by the name of its module or the end of it (`trunk.2`), the
            largest input that 8 bits tell apart; larger ones are clipped. The input must not be
            negative.

    Returns:
        The serialised, checked ONNX model, with the same inputs and outputs.

    Raises:
        EngineError: the network lacks one of the convolutions.
    """
    import onnx

    model = onnx.load_model_from_string(onnx_model)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    missing = set(limits)
    nodes: list[Any] = []
    for node in graph.node:
        layer = _layer(node, limits)
        if layer is not None:
            missing.discard(layer)
            nodes += _quantise(graph, node, weights, limits[layer])
        nodes.append(node)
    if missing:
        raise EngineError(f"int8: the network has no convolution {', '.join(sorted(missing))}")
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def quantise_rows(values: FloatArray) -> tuple[NDArray[np.int8], FloatArray]:
    """Symmetric int8 with one scale for each entry of axis 0.

    Returns:
        int8 values of the same shape, and float32 scales (n,): their product is near `values`.
    """
    rows = np.abs(values.reshape(len(values), -1)).max(axis=1)
    scales = (np.maximum(rows, 1e-12) / _INT8_MAX).astype(np.float32)
    whole = np.rint(values / scales.reshape(-1, *[1] * (values.ndim - 1)))
    return np.clip(whole, -_INT8_MAX, _INT8_MAX).astype(np.int8), scales


def _layer(node: Any, names: Iterable[str]) -> str | None:
    """Which of the names means a node: `trunk.2` the convolution with the weights
    `network.trunk.2.weight`."""
    if node.op_type != "Conv":
        return None
    module = "." + str(node.input[1]).removesuffix(".weight")
    return next((name for name in names if module.endswith(f".{name}")), None)


def _quantise(graph: Any, node: Any, weights: Mapping[str, Any], limit: float) -> list[Any]:
    """Puts the integer forms of a convolution's inputs into the graph, and lets it read them.

    Returns:
        The nodes that must come before it.
    """
    from onnx import numpy_helper

    source, weight, *bias = node.input
    integers, scales = quantise_rows(numpy_helper.to_array(weights[weight]))
    step = np.float32(limit / _UINT8_MAX)
    nodes = [
        *_rounded(graph, node, 0, source, step),
        _stored(graph, node, 1, weight, integers, scales),
    ]
    if bias:  # exporters drop one of zeros
        bias_steps = step * scales
        wide = np.rint(numpy_helper.to_array(weights[bias[0]]) / bias_steps.astype(np.float64))
        whole_bias = np.clip(wide, -_INT32_MAX, _INT32_MAX).astype(np.int32)
        nodes.append(_stored(graph, node, 2, bias[0], whole_bias, bias_steps))
    return nodes


def _rounded(graph: Any, node: Any, place: int, source: str, step: np.float32) -> list[Any]:
    """Rounds an activation to uint8 steps from 0."""
    from onnx import helper, numpy_helper

    name = f"{node.name}.input"
    scale, zero = f"{name}.scale", f"{name}.zero"
    graph.initializer.append(numpy_helper.from_array(np.array(step), scale))
    graph.initializer.append(numpy_helper.from_array(np.array(0, np.uint8), zero))
    node.input[place] = f"{name}.rounded"
    return [
        helper.make_node("QuantizeLinear", [source, scale, zero], [f"{name}.uint8"]),
        helper.make_node("DequantizeLinear", [f"{name}.uint8", scale, zero], [node.input[place]]),
    ]


def _stored(
    graph: Any, node: Any, place: int, name: str, integers: NDArray[Any], scales: FloatArray
) -> Any:
    """Stores a constant as integers with a scale for each entry of axis 0."""
    from onnx import helper, numpy_helper

    quantised, scale, zero = (f"{name}.{part}" for part in ("integers", "scale", "zero"))
    graph.initializer.append(numpy_helper.from_array(integers, quantised))
    graph.initializer.append(numpy_helper.from_array(scales.astype(np.float32), scale))
    zeros = np.zeros(len(scales), integers.dtype)
    graph.initializer.append(numpy_helper.from_array(zeros, zero))
    node.input[place] = f"{name}.rounded"
    return helper.make_node(
        "DequantizeLinear", [quantised, scale, zero], [node.input[place]], axis=0
    )
