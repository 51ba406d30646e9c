"""Refinement as ONNX graphs: one step of the search with its gradient, and what is prepared for it.

For a single face torch's own kernels leave most of a core unused; as a graph whose gradient is
written out, the step runs in less than half the time on the backends that serve, and without torch.
"""

from __future__ import annotations

import copy
from typing import Any

import onnx
import torch
from torch import Tensor, fx, nn
from torch._decomp import get_decompositions
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F

from streamfer.models.inversion.descent import LossWeights
from streamfer.models.inversion.inversion import style_spread
from streamfer.models.inversion.lens import Lens
from streamfer.models.inversion.search import Place, evaluate
from streamfer.models.onnx_export import export_fixed, export_onnx
from streamfer.models.stylegan2 import Generator, from_uint8

STEP_OUTPUTS = ("total", "mse", "gradient", "image", "codes")
"""What a step answers: losses (1,), the gradient (1, num_ws, w_dim) of the total at `offset`, the
picture (1, 1, S, S) of −1…1 and the codes (1, num_ws, w_dim) there."""


def feature_names(lens: Lens) -> list[str]:
    """Names of the lens's feature maps in the graphs."""
    return [f"features_{depth}" for depth in range(len(lens.depths))]


def export_target(lens: Lens, size: int) -> bytes:
    """What a search needs of its face: `faces` (N, S, S) uint8 → `target` (N, 1, S, S) of −1…1 and
    the lens's `features_…`.

    Args:
        lens: what faces are compared through.
        size: S in pixels.
    """
    faces = torch.randint(0, 256, (2, size, size), dtype=torch.uint8)
    names = ["target", *feature_names(lens)]
    return export_onnx(_Target(lens), [faces], input_names=["faces"], output_names=names)


def export_step(generator: Generator, lens: Lens, weights: LossWeights) -> bytes:
    """One step for one face: `offset` and `start` (1, num_ws, w_dim), `target` and `features_…` as
    `export_target` gives them → STEP_OUTPUTS.

    Args:
        generator: frozen; draws gray pictures.
        lens: what they are compared through.
        weights: of the losses.
    """
    lens = _with_plain_pooling(lens)
    config = generator.config
    start = torch.zeros(1, config.num_ws, config.w_dim)
    target = torch.zeros(1, 1, config.resolution, config.resolution)
    with torch.no_grad():
        features = lens(target)
    spread = style_spread(generator)

    def step(offset: Tensor, start: Tensor, target: Tensor, *features: Tensor) -> list[Tensor]:
        offset = offset.detach().requires_grad_(True)
        place = Place(start, offset, spread, target, features)
        losses = evaluate(generator, lens, weights, place)
        (gradient,) = torch.autograd.grad(losses.total.sum(), offset)
        answers = (losses.total, losses.mse, gradient, losses.image, losses.codes)
        return [answer.detach() for answer in answers]

    inputs = (torch.zeros_like(start), start, target, *features)
    graph = make_fx(step, decomposition_table=_gradient_rules())(*inputs)
    _fold_constants(graph)
    names = ["offset", "start", "target", *feature_names(lens)]
    data = export_fixed(graph, inputs, input_names=names, output_names=STEP_OUTPUTS)
    return _with_separate_constants(data)


class _Target(nn.Module):
    def __init__(self, lens: Lens) -> None:
        super().__init__()
        self._lens = lens

    def forward(self, faces: Tensor) -> tuple[Tensor, ...]:
        target = from_uint8(faces)
        return target, *self._lens(target)


class _PlainPooling(nn.Module):
    """2×2 maxima by comparing halves: unlike that of a pooling layer, the gradient is a few
    elementwise operations."""

    def forward(self, x: Tensor) -> Tensor:
        rows = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
        return torch.maximum(rows[..., ::2], rows[..., 1::2])


def _with_plain_pooling(lens: Lens) -> Lens:
    lens = copy.deepcopy(lens)
    trunk = lens.network.trunk
    for index, layer in enumerate(trunk):
        if isinstance(layer, nn.MaxPool2d):
            trunk[index] = _PlainPooling()
    return lens


def _gradient_rules() -> dict[Any, Any]:
    """Gradients in terms of operations that ONNX has, for a network whose weights are fixed."""
    aten = torch.ops.aten
    rules: dict[Any, Any] = dict(
        get_decompositions([aten.threshold_backward, aten.leaky_relu_backward])
    )
    rules[aten.convolution_backward.default] = _convolution_gradient
    rules[aten.upsample_bilinear2d_backward.default] = _resizing_gradient
    return rules


def _convolution_gradient(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    _bias_sizes: object,
    stride: list[int],
    padding: list[int],
    _dilation: object,
    transposed: bool,
    _output_padding: object,
    groups: int,
    _wanted: object,
) -> tuple[Tensor, None, None]:
    """The gradient of a convolution's input is a convolution with the weights turned around."""
    if transposed:
        return F.conv2d(gradient, weight, None, stride, padding, groups=groups), None, None
    if stride != [1, 1]:
        return (
            F.conv_transpose2d(gradient, weight, None, stride, padding, groups=groups),
            None,
            None,
        )
    turned = weight.flip(2, 3)
    if groups == 1:
        turned = turned.transpose(0, 1)
    outside = [side - 1 - pad for side, pad in zip(weight.shape[2:], padding, strict=True)]
    return F.conv2d(gradient, turned, padding=outside, groups=groups), None, None


def _resizing_gradient(
    gradient: Tensor, output_hw: list[int], input_nchw: list[int], *_: object
) -> Tensor:
    """Resizing is linear along each axis, so its gradient is a product with the same weights."""
    rows, columns = (
        F.interpolate(torch.eye(before)[None], size=after, mode="linear")[0]
        for before, after in zip(input_nchw[2:], output_hw, strict=True)
    )
    return rows @ gradient @ columns.T


def _fold_constants(graph: fx.GraphModule) -> None:
    """Computes what depends on weights alone, such as weights turned around."""
    values: dict[fx.Node, Tensor] = {}
    for node in graph.graph.nodes:
        if node.op == "get_attr":
            values[node] = getattr(graph, str(node.target))
        elif node.op == "call_function" and all(arg in values for arg in node.all_input_nodes):
            args, kwargs = fx.map_arg((node.args, node.kwargs), lambda arg: values[arg])
            with torch.no_grad():
                values[node] = node.target(*args, **kwargs)
    for number, (node, value) in enumerate(values.items()):
        users = [user for user in node.users if user not in values]
        if not users:
            continue
        graph.register_buffer(f"constant_{number}", value.detach().clone().contiguous())
        with graph.graph.inserting_before(node):
            constant = graph.graph.get_attr(f"constant_{number}")
        for user in users:
            user.replace_input_with(node, constant)
    graph.graph.eliminate_dead_code()
    graph.delete_all_unused_submodules()
    graph.recompile()


def _with_separate_constants(data: bytes) -> bytes:
    """Gives every node that reads a constant one of its own.

    OpenVINO (2026.4) keeps rearranged weights by their content, and takes those of a transposed
    convolution for those of the plain one that is its gradient where a layer has as many inputs as
    outputs: the gradient came out wrong.
    """
    model = onnx.load_model_from_string(data)
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
    return model.SerializeToString()
