"""Refinement as ONNX graphs: one step of the search with its gradient, and what is prepared for it.

For a single face torch's own kernels leave most of a core unused; as a graph whose gradient is
written out, the step runs in less than half the time on the backends that serve, and without torch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._decomp import get_decompositions
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F

from streamfer.models.inversion.descent import LossWeights
from streamfer.models.inversion.lens import Lens
from streamfer.models.inversion.search import Losses, Place, evaluate
from streamfer.models.onnx_export import export_fixed, export_onnx
from streamfer.models.structure_export import Origins, finished, tensors_from
from streamfer.models.stylegan2 import Generator, from_uint8, style_spread
from streamfer.runtime.structure import with_separate_constants

STEP_OUTPUTS = ("total", "feature", "mse", "gradient", "image", "codes")
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
    return export_onnx(TargetBody(lens), [faces], input_names=["faces"], output_names=names)


def export_step(generator: Generator, lens: Lens, weights: LossWeights) -> bytes:
    """One step for one face: `offset` and `start` (1, num_ws, w_dim), `target` and `features_…` as
    `export_target` gives them → STEP_OUTPUTS.

    Args:
        generator: frozen; draws gray pictures.
        lens: what they are compared through.
        weights: of the losses.
    """
    body = StepBody(generator, lens, weights)
    inputs = body.example_inputs()
    graph = _with_gradient(body, dict, len(inputs))(inputs)
    names = step_inputs(lens)
    data = export_fixed(graph, inputs, input_names=names, output_names=STEP_OUTPUTS)
    return with_separate_constants(data)


def export_step_structure(body: StepBody, origins: Origins, weights: Mapping[str, Tensor]) -> bytes:
    """The structure of the step, which takes its weights as inputs.

    Args:
        body: the losses of networks for inference.
        origins: of its tensors.
        weights: examples of its weights; their values leave no trace.
    """
    weight_names = sorted(weights)
    own = body.example_inputs()

    def tensors(*values: Tensor) -> dict[str, Tensor]:
        return tensors_from(origins, dict(zip(weight_names, values, strict=True)))

    inputs = (*own, *(weights[name] for name in weight_names))
    graph = _with_gradient(body, tensors, len(own))(inputs)
    data = export_fixed(
        graph,
        inputs,
        input_names=[*step_inputs(body.lens), *weight_names],
        output_names=STEP_OUTPUTS,
    )
    return finished(data, origins)


def step_inputs(lens: Lens) -> list[str]:
    """Names of a step's own inputs."""
    return ["offset", "start", "target", *feature_names(lens)]


class StepBody(nn.Module):
    """The losses of one face's code, as `evaluate` has them.

    Args:
        generator: draws gray pictures; not changed.
        lens: what they are compared through; not changed.
        weights: of the losses.
    """

    spread: Tensor

    def __init__(self, generator: Generator, lens: Lens, weights: LossWeights) -> None:
        super().__init__()
        self.generator = generator
        self.lens = _with_plain_pooling(lens)
        self.register_buffer("spread", style_spread(generator))
        self._weights = weights

    def forward(
        self, offset: Tensor, start: Tensor, target: Tensor, *features: Tensor
    ) -> tuple[Tensor, ...]:
        """Losses total, feature and mse (1,), the picture and the codes; see STEP_OUTPUTS."""
        place = Place(start, offset, self.spread, target, features)
        return evaluate(self.generator, self.lens, self._weights, place)

    def example_inputs(self) -> tuple[Tensor, ...]:
        """One of each input."""
        config = self.generator.config
        start = torch.zeros(1, config.num_ws, config.w_dim)
        target = torch.zeros(1, 1, config.resolution, config.resolution)
        with torch.no_grad():
            features = self.lens(target)
        return torch.zeros_like(start), start, target, *features


def _with_gradient(
    body: StepBody, tensors: Callable[..., dict[str, Tensor]], own_inputs: int
) -> Callable[[Sequence[Tensor]], fx.GraphModule]:
    """Traces the step with its gradient written out.

    Args:
        body: the losses.
        tensors: those of the body's, from the inputs after its own.
        own_inputs: how many are its own.
    """

    def step(*inputs: Tensor) -> list[Tensor]:
        offset = inputs[0].detach().requires_grad_(True)
        own = (offset, *inputs[1:own_inputs])
        losses = Losses(*functional_call(body, tensors(*inputs[own_inputs:]), own))
        (gradient,) = torch.autograd.grad(losses.total.sum(), offset)
        answers = (losses.total, losses.feature, losses.mse, gradient, losses.image, losses.codes)
        return [answer.detach() for answer in answers]

    def traced(inputs: Sequence[Tensor]) -> fx.GraphModule:
        graph = make_fx(step, decomposition_table=_gradient_rules())(*inputs)
        _fold_constants(graph)
        return graph

    return traced


class TargetBody(nn.Module):
    """What `export_target` exports."""

    def __init__(self, lens: Lens) -> None:
        super().__init__()
        self.lens = lens

    def forward(self, faces: Tensor) -> tuple[Tensor, ...]:
        """uint8 faces [NHW] → the pictures [NCHW] of −1…1 and the lens's feature maps."""
        target = from_uint8(faces)
        return target, *self.lens(target)


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
