"""The structures of the networks that serve, made by torch from files of weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from streamfer.models.fused import OUTPUTS, FusedNetwork, folded_encoder, load_fused_heads
from streamfer.models.inversion.descent import LossWeights
from streamfer.models.inversion.graphs import (
    StepBody,
    TargetBody,
    export_step_structure,
    feature_names,
)
from streamfer.models.inversion.lens import Lens
from streamfer.models.storage import load_encoder, load_generator
from streamfer.models.structure_export import (
    Folded,
    export_structure,
    origins_of_encoder,
    origins_of_vgg,
    state_of,
)
from streamfer.models.structures import (
    CLASSIFIER,
    DRAW,
    ENCODER,
    FUSED,
    STEP,
    TARGET,
    read_shape,
)
from streamfer.models.stylegan2 import Generator, from_uint8, to_pictures
from streamfer.models.vgg import ServedFaceVGG, example_faces, load_face_vgg
from streamfer.runtime.structure import with_notes

Files = Mapping[str, Path]


def make_structure(name: str, files: Files) -> bytes:
    """A structure as a file, the same for all weights of these files' shapes.

    Args:
        name: one of `structures.FILES_OF`.
        files: of weights, by what the structure calls them.

    Raises:
        EngineError: a file is missing, damaged or of another kind.
    """
    make = {
        CLASSIFIER: _classifier,
        FUSED: _fused,
        ENCODER: _encoder,
        TARGET: _target,
        STEP: _step,
        DRAW: _draw,
    }[name]
    return with_notes(make(files), {key: read_shape(path) for key, path in files.items()})


def _classifier(files: Files) -> bytes:
    network = load_face_vgg(files["classifier"])
    return export_structure(
        ServedFaceVGG(network),
        [example_faces(2)],
        origins_of_vgg(network, "model."),
        state_of("classifier", network),
        input_names=["faces"],
        output_names=OUTPUTS[:2],
    )


def _fused(files: Files) -> bytes:
    network, encoder = load_face_vgg(files["classifier"]), load_encoder(files["encoder"])
    heads = load_fused_heads(files["heads"])
    own: dict[str, str | Folded] = {f"heads.{key}": f"heads/{key}" for key in heads.state_dict()}
    return export_structure(
        FusedNetwork(network, encoder, heads).eval().requires_grad_(False),
        [example_faces(2)],
        origins_of_vgg(network, "network.") | origins_of_encoder(encoder, "encoder.") | own,
        state_of("classifier", network) | state_of("encoder", encoder) | state_of("heads", heads),
        input_names=["faces"],
        output_names=OUTPUTS,
    )


class _EncodedFaces(nn.Module):
    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, faces: Tensor) -> Tensor:
        codes: Tensor = self.encoder(from_uint8(faces))
        return codes


def _encoder(files: Files) -> bytes:
    encoder = load_encoder(files["encoder"])
    side = encoder.config.size
    return export_structure(
        _EncodedFaces(folded_encoder(encoder)),
        [torch.zeros(2, side, side, dtype=torch.uint8)],
        origins_of_encoder(encoder, "encoder."),
        state_of("encoder", encoder),
        input_names=["faces"],
        output_names=["latent"],
    )


def _target(files: Files) -> bytes:
    network = load_face_vgg(files["classifier"])
    lens = Lens(network)
    return export_structure(
        TargetBody(lens),
        [example_faces(2)],
        origins_of_vgg(network, "lens.network."),
        state_of("classifier", network),
        input_names=["faces"],
        output_names=["target", *feature_names(lens)],
    )


def _step(files: Files) -> bytes:
    network, generator = load_face_vgg(files["classifier"]), load_generator(files["generator"])
    body = StepBody(generator.thaw(), Lens(network), LossWeights())
    synthesis = (key for key in generator.state_dict() if key.startswith("synthesis."))
    own: dict[str, str | Folded] = {f"generator.{key}": f"generator/{key}" for key in synthesis}
    weights = state_of("classifier", network) | state_of("generator", generator)
    return export_step_structure(
        body,
        origins_of_vgg(network, "lens.network.") | own | {"spread": "generator/spread"},
        weights | {"generator/spread": body.spread},
    )


class DrawnCodes(nn.Module):
    """A generator from codes to pictures.

    Args:
        generator: of gray pictures, frozen; not changed.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, codes: Tensor) -> Tensor:
        """(N, num_ws, w_dim) float32 → (N, S, S) uint8."""
        return to_pictures(self.generator.synthesis(codes))


def _draw(files: Files) -> bytes:
    generator = load_generator(files["generator"]).thaw()
    config = generator.config
    synthesis = (key for key in generator.state_dict() if key.startswith("synthesis."))
    return export_structure(
        DrawnCodes(generator),
        [torch.zeros(2, config.num_ws, config.w_dim)],
        {f"generator.{key}": f"generator/{key}" for key in synthesis},
        state_of("generator", generator),
        input_names=["codes"],
        output_names=["pictures"],
    )
