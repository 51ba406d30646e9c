"""Networks whose ONNX file travels without weights: the structure, and what fills it.

A structure is an ONNX file that takes the weights as inputs beside its own. Whatever it computes
from weights alone, such as a normalisation folded into its convolution, is computed once when it is
filled, so that what comes out is the network as an exporter would have written it with the weights
inside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from streamfer.engine import Array
from streamfer.errors import EngineError

_WEIGHT_SIGN = "/"
"""Stands in the names of the inputs that are weights: `classifier/trunk.0.weight`."""


def is_weight(name: str) -> bool:
    """Whether an input of that name is one of the weights."""
    return _WEIGHT_SIGN in name


def read_notes(structure: bytes) -> dict[str, Any]:
    """What `with_notes` put into a structure.

    Raises:
        EngineError: it is no ONNX file.
    """
    return {prop.key: json.loads(prop.value) for prop in _parsed(structure).metadata_props}


def with_notes(structure: bytes, notes: Mapping[str, Any]) -> bytes:
    """A structure that says by what its weights can be recognised."""
    model = _parsed(structure)
    for key in sorted(notes):
        model.metadata_props.add(key=key, value=json.dumps(notes[key], sort_keys=True))
    return bytes(model.SerializeToString(deterministic=True))


def fill_structure(structure: bytes, weights: Mapping[str, Array]) -> bytes:
    """Puts weights into a structure.

    Args:
        structure: made by `models.structure_export`.
        weights: float32, by the names of its inputs; more than it takes are allowed.

    Returns:
        The serialised, checked ONNX model.

    Raises:
        EngineError: it is no ONNX file, or a weight is missing or has another shape.
    """
    import onnx
    from onnx import numpy_helper

    model = _parsed(structure)
    graph = model.graph
    taken = {value.name: _taken(value, weights) for value in graph.input if is_weight(value.name)}
    constant, live = _split(graph, set(taken))
    read = {name for node in live for name in node.input} | {out.name for out in graph.output}
    computed = _computed(model, constant, taken, sorted(read))
    values = {name: value for name, value in taken.items() if name in read} | computed
    inputs = [value for value in graph.input if value.name not in taken]
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    for field, items in (("node", live), ("input", inputs), ("initializer", kept)):
        graph.ClearField(field)
        getattr(graph, field).extend(items)
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    graph.ClearField("value_info")
    model.ClearField("metadata_props")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def with_separate_constants(data: bytes) -> bytes:
    """Gives every node that reads a constant one of its own.

    OpenVINO (2026.4) keeps rearranged weights by their content, and takes those of a transposed
    convolution for those of the plain one that is its gradient where a layer has as many inputs as
    outputs: the gradient came out wrong.
    """
    import onnx

    model = _parsed(data)
    constants = {constant.name: constant for constant in model.graph.initializer}
    used: set[str] = set()
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name in used:
                copied = onnx.TensorProto()
                copied.CopyFrom(constants[name])
                copied.name = node.input[index] = f"{name}_{len(model.graph.initializer)}"
                model.graph.initializer.append(copied)
            elif name in constants:
                used.add(name)
    return bytes(model.SerializeToString())


def _parsed(data: bytes) -> Any:
    import onnx

    try:
        return onnx.load_model_from_string(data)
    except Exception as error:  # protobuf raises many unrelated types
        raise EngineError(f"not an ONNX file: {error}") from error


def _taken(value: Any, weights: Mapping[str, Array]) -> Array:
    """The weight that an input asks for.

    Raises:
        EngineError: it is missing or has another shape.
    """
    shape = tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
    weight = weights.get(value.name)
    if weight is None or weight.shape != shape:
        found = "none" if weight is None else f"the shape {weight.shape}"
        raise EngineError(f"{value.name}: expected weights of the shape {shape}, found {found}")
    return weight


def _split(graph: Any, weights: set[str]) -> tuple[list[Any], list[Any]]:
    """The nodes that compute from weights and other constants alone, and the others."""
    known = weights | {tensor.name for tensor in graph.initializer}
    constant, live = [], []
    for node in graph.node:
        if all(name in known or not name for name in node.input):
            constant.append(node)
            known.update(node.output)
        else:
            live.append(node)
    return constant, live


def _computed(
    model: Any, nodes: Sequence[Any], weights: Mapping[str, Array], read: Sequence[str]
) -> dict[str, Array]:
    """What some nodes compute from weights, as far as it is read elsewhere."""
    import onnxruntime as ort
    from onnx import helper

    made = {name for node in nodes for name in node.output}
    wanted = [name for name in read if name in made]
    if not wanted:
        return {}
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "weights",
        [value for value in model.graph.input if value.name in used],
        [helper.make_empty_tensor_value_info(name) for name in wanted],
        [tensor for tensor in model.graph.initializer if tensor.name in used],
    )
    alone = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        alone.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    given = {name: value for name, value in weights.items() if name in used}
    return dict(zip(wanted, session.run(wanted, given), strict=True))
