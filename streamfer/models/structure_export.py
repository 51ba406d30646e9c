"""Makes the structures of our networks: ONNX files that take their weights as inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from torch import Tensor, nn
from torch.func import functional_call

from streamfer.models.encoder import Encoder
from streamfer.models.onnx_export import export_onnx
from streamfer.models.vgg import FaceVGG
from streamfer.runtime.structure import is_weight


@dataclass(frozen=True, slots=True)
class Folded:
    """What a layer is made of whose batch normalisation was folded into it."""

    convolution: str
    norm: str
    epsilon: float


Origins = Mapping[str, str | Folded]
"""Of a network for inference: for each tensor the weight that it is, or for each layer the
convolution and the normalisation that it is made of."""


def tensors_from(origins: Origins, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a network for inference, from the weights of its files."""
    tensors: dict[str, Tensor] = {}
    for name, origin in origins.items():
        if isinstance(origin, str):
            tensors[name] = weights[origin]
            continue
        norm = {part: weights[f"{origin.norm}.{part}"] for part in _NORM}
        scale = norm["weight"] * torch.rsqrt(norm["running_var"] + origin.epsilon)
        kernel = weights[f"{origin.convolution}.weight"]
        tensors[f"{name}.weight"] = kernel * scale[:, None, None, None]
        tensors[f"{name}.bias"] = norm["bias"] - norm["running_mean"] * scale
    return tensors


_NORM = ("weight", "bias", "running_mean", "running_var")


def origins_of_vgg(network: FaceVGG, name: str = "") -> dict[str, str | Folded]:
    """Of `models.vgg.folded(network)`.

    Args:
        network: as it was trained.
        name: what the names of the folded network's tensors begin with.
    """
    origins: dict[str, str | Folded] = {
        f"{name}{own}": f"classifier/{own}"
        for own in network.state_dict()
        if not own.startswith("trunk.")
    }
    place = 0  # the folded trunk has no normalisations
    for index, layer in enumerate(network.trunk):
        if isinstance(layer, nn.BatchNorm2d):
            origins[f"{name}trunk.{place - 1}"] = Folded(
                f"classifier/trunk.{index - 1}", f"classifier/trunk.{index}", layer.eps
            )
        else:
            place += 1
    return origins


def origins_of_encoder(encoder: Encoder, name: str = "") -> dict[str, str | Folded]:
    """Of `models.fused.folded_encoder(encoder)`; see `origins_of_vgg`."""
    origins: dict[str, str | Folded] = {}
    folded: set[str] = set()
    previous = ""
    for own, layer in encoder.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            origins[f"{name}{previous}"] = Folded(
                f"encoder/{previous}", f"encoder/{own}", layer.eps
            )
            folded |= {previous, own}
        previous = own
    plain = [own for own in encoder.state_dict() if own.rpartition(".")[0] not in folded]
    return {**origins, **{f"{name}{own}": f"encoder/{own}" for own in plain}}


def state_of(file: str, module: nn.Module) -> dict[str, Tensor]:
    """The tensors of a network by the names that structures give the weights of its file."""
    return {
        f"{file}/{name}": value.detach()
        for name, value in module.state_dict().items()
        if not name.endswith("num_batches_tracked")  # files omit them
    }


class Structured(nn.Module):
    """A network whose weights are inputs, after its own.

    Args:
        body: the network for inference.
        origins: of its tensors.
        weights: examples of its weights.
    """

    def __init__(self, body: nn.Module, origins: Origins, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.body = body
        self._origins = origins
        self.names = tuple(sorted(weights))

    def forward(self, *inputs: Tensor) -> Any:
        """What the network answers."""
        count = len(inputs) - len(self.names)
        weights = dict(zip(self.names, inputs[count:], strict=True))
        return functional_call(self.body, tensors_from(self._origins, weights), inputs[:count])


def export_structure(
    body: nn.Module,
    example_inputs: Sequence[Tensor],
    origins: Origins,
    weights: Mapping[str, Tensor],
    *,
    input_names: Sequence[str],
    output_names: Sequence[str],
) -> bytes:
    """The structure of a network with a free batch size.

    Args:
        body: the network for inference.
        example_inputs: see `export_onnx`.
        origins: of its tensors.
        weights: examples of its weights; their values leave no trace.
        input_names: of its own inputs.
        output_names: of its outputs.
    """
    module = Structured(body, origins, weights)
    data = export_onnx(
        module,
        [*example_inputs, *(weights[name] for name in module.names)],
        input_names=[*input_names, *module.names],
        output_names=output_names,
        fixed_inputs=len(weights),
    )
    return finished(data, origins)


def finished(data: bytes, origins: Origins) -> bytes:
    """An exported structure without the weights that nothing reads, and with the folded layers'
    weights and biases under the names of a folded network."""
    model = onnx.load_model_from_string(data)
    graph = model.graph
    read = {name for node in graph.node for name in node.input}
    inputs = [value for value in graph.input if value.name in read or not is_weight(value.name)]
    graph.ClearField("input")
    graph.input.extend(inputs)
    graph.ClearField("value_info")
    names = {
        f"{origin.convolution}.weight": name
        for name, origin in origins.items()
        if isinstance(origin, Folded)
    }
    producers = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        kernel = producers.get(node.input[1]) if node.op_type == "Conv" else None
        layer = next((names[name] for name in kernel.input if name in names), "") if kernel else ""
        if layer and node.output[0] != layer:
            for place, part in ((1, "weight"), (2, "bias")):
                if len(node.input) > place:
                    _rename(graph, node.input[place], f"{layer}.{part}")
    return bytes(model.SerializeToString(deterministic=True))


def _rename(graph: Any, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new
