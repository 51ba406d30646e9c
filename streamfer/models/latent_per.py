"""Latent-PER (paper B, 3.3): any backbone's description of a face beside its latent code.

The description and the code's indices that matter for expressions are read together by two fully
connected layers. Without a latent the same two layers read the description alone, so that what is
compared differs in the code and in nothing else. A file of weights holds all that serving needs:
backbone, mask, layers and, where a code is read, the encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from streamfer.errors import ConfigError, EngineError
from streamfer.labels import LABEL_SETS, LABELS, NUM_LABELS, LabelSet
from streamfer.models.backbones.backbone import BackboneConfig
from streamfer.models.backbones.registry import make_backbone
from streamfer.models.directions import Directions, Threshold, index_mask
from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.onnx_export import export_onnx
from streamfer.models.storage import (
    UNFIT,
    half_tensors,
    load_config,
    load_without_counters,
    read_metadata,
    save_with_config,
)
from streamfer.models.stylegan2 import from_uint8
from streamfer.models.taught import Taught
from streamfer.models.untaught import without_untaught
from streamfer.models.vgg import HASHES, example_faces, normalise_faces
from streamfer.types import FloatArray

LATENT_PER_SCHEMA = "streamfer.latent_per/1"

Latent = Literal["none", "full", "median", "mean"]
LATENTS: tuple[Latent, ...] = get_args(Latent)

_THRESHOLDS: dict[Latent, Threshold] = {"full": "zero", "median": "median", "mean": "mean"}
_ENCODER = "encoder."
_IMAGENET_MEAN, _IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class LatentPERConfig:
    """Shape of the classifier."""

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    latent: Latent = "mean"
    """Which indices of the code are read: `none`; `full`, all of them, the paper's h = 0; those
    whose scores reach the `median` or the `mean`."""
    labels: LabelSet = "ferplus"
    """Whose labels it learned."""
    hidden: int = 128
    """Width between the two layers."""
    dropout: float = 0.3
    """Before each of the two layers, in training only."""
    num_ws: int = 10
    w_dim: int = 128

    def __post_init__(self) -> None:
        if self.latent not in LATENTS:
            raise ConfigError(f"latent {self.latent}: expected one of {', '.join(LATENTS)}")
        if self.labels not in LABEL_SETS:
            raise ConfigError(f"labels {self.labels}: expected one of {', '.join(LABEL_SETS)}")
        if self.hidden < 1:
            raise ConfigError("hidden must be at least 1")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"dropout {self.dropout} is not in [0, 1)")


class LatentPER(nn.Module):
    """Backbone, masked code and the two layers on both.

    Args:
        config: its shape.

    Attributes:
        mask: (num_ws · w_dim,) float32, 1 for the indices of the code that are read.
        w_avg: (w_dim,) and spread: (), which centre and scale the code.
        temperature: () float32, what the logits are divided by before the softmax.
        expressions: those of LABELS that it was taught; answers leave the others out.
    """

    mask: Tensor
    w_avg: Tensor
    spread: Tensor
    temperature: Tensor

    def __init__(self, config: LatentPERConfig) -> None:
        super().__init__()
        self.config = config
        self.expressions: tuple[str, ...] = LABELS
        self.backbone = make_backbone(config.backbone)
        size = config.num_ws * config.w_dim
        self.register_buffer("mask", torch.ones(size))
        self.register_buffer("w_avg", torch.zeros(config.w_dim))
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("temperature", torch.ones(()))
        joint = self.backbone.num_features + (size if self.reads_codes else 0)
        self.layers = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(joint, config.hidden, bias=False),
            nn.BatchNorm1d(config.hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, NUM_LABELS),
        )

    @property
    def reads_codes(self) -> bool:
        """Whether it looks at latent codes at all."""
        return self.config.latent != "none"

    def pictures(self, faces: Tensor) -> Tensor:
        """[NHW] gray faces, 0–255, as the backbone takes them, [NCHW] float32.

        The small stem takes faces of mean 0 and deviation 1 of their own, ImageNet's three times
        the same channel, scaled as its networks expect.
        """
        shape = self.config.backbone
        if shape.channels == 1:
            pictures = normalise_faces(faces, shape.input_size)
        else:
            pictures = imagenet_pictures(faces, shape.input_size)
        return pictures.contiguous(memory_format=torch.channels_last)

    def codes(self, ws: Tensor) -> Tensor:
        """ws (N, num_ws, w_dim) as the layers take them, (N, num_ws · w_dim): centred, scaled,
        masked."""
        return ((ws - self.w_avg) / self.spread).flatten(1) * self.mask

    def logits(self, description: Tensor, codes: Tensor | None) -> Tensor:
        """Descriptions (N, C) and `codes` (N, num_ws · w_dim) to logits [N7]."""
        joint = description if codes is None else torch.cat([description, codes], dim=1)
        return self.layers(joint)

    def forward(self, faces: Tensor, ws: Tensor | None) -> Tensor:
        """Logits [N7] of [NHW] gray faces, 0–255, and their ws (N, num_ws, w_dim).

        `ws` is None where no code is read.
        """
        description = self.backbone(self.pictures(faces))
        logits = self.logits(description, None if ws is None else self.codes(ws))
        return logits if self.training else without_untaught(logits, self.expressions)

    def probabilities(self, faces: Tensor, ws: Tensor | None) -> Tensor:
        """Calibrated probabilities [N7] float32."""
        return torch.softmax(self(faces, ws).float() / self.temperature, dim=1)


class ServedLatentPER(nn.Module):
    """The classifier as engines run it, with its own encoder: uint8 faces in, probabilities out.

    Args:
        network: the classifier.
        encoder: of the codes; None where it reads none.
    """

    def __init__(self, network: LatentPER, encoder: Encoder | None) -> None:
        super().__init__()
        self.network = network
        self.encoder = encoder

    def forward(self, faces: Tensor) -> Tensor:
        """`probs_LABELS` [N7] float32 of [NHW] uint8 gray faces."""
        ws = None if self.encoder is None else self.encoder(from_uint8(faces))
        return self.network.probabilities(faces, ws)


def imagenet_pictures(faces: Tensor, side: int) -> Tensor:
    """[NHW] gray faces, 0–255, as networks of ImageNet take them, [N3HW] float32."""
    x = faces.unsqueeze(1).to(torch.float32) / 255.0
    if x.shape[-1] != side:
        x = F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
    mean = torch.tensor(_IMAGENET_MEAN, device=x.device).reshape(1, 3, 1, 1)
    deviation = torch.tensor(_IMAGENET_DEVIATION, device=x.device).reshape(1, 3, 1, 1)
    return (x - mean) / deviation


def joint_scores(directions: Directions) -> FloatArray:
    """One score for each index of a code, from those of the seven expressions, (d,) signed.

    The paper keeps 24 and 18 % of the indices for all expressions together; a mask for each, all
    joined, would keep most. An index takes the score of the expression that it says most of.
    """
    rows = [directions.names.index(name) for name in LABELS if name in directions.names]
    if not rows:
        raise ConfigError(f"the directions have none of {', '.join(LABELS)}")
    scores = directions.scores[rows]
    return np.take_along_axis(scores, np.abs(scores).argmax(axis=0)[None], axis=0)[0]


def latent_mask(directions: Directions, latent: Latent) -> FloatArray:
    """(d,) float32, 1 for the indices that stay (paper B, eq. 11), 0 for the others."""
    scores = joint_scores(directions)
    if latent == "none":
        return np.zeros_like(scores)
    return index_mask(scores, _THRESHOLDS[latent])


def save_latent_per(
    network: LatentPER,
    encoder: Encoder | None,
    path: Path,
    notes: Mapping[str, str],
    hashes: NDArray[np.uint64] | None = None,
) -> None:
    """Writes the classifier, and the encoder of the codes that it reads; matrices as float16.

    Args:
        network: the classifier.
        encoder: of its codes; left out where it reads none.
        path: the file to write.
        notes: more metadata, such as the recipe.
        hashes: (n, 2) perceptual hashes of the pictures that it learned from.
    """
    tensors = half_tensors(network)
    if hashes is not None:
        tensors[HASHES] = torch.from_numpy(hashes.view(np.int64).copy())
    config = asdict(network.config)
    if network.reads_codes:
        if encoder is None:
            raise ValueError("a classifier that reads codes needs their encoder")
        config["encoder"] = asdict(encoder.config)
        tensors |= {_ENCODER + name: value for name, value in half_tensors(encoder).items()}
    told = {
        **Taught((network.config.labels,), network.expressions).to_metadata(),
        "backbone": network.config.backbone.name,
        "latent": network.config.latent,
    }
    save_with_config(tensors, path, LATENT_PER_SCHEMA, config, {**told, **notes})


def load_latent_per(path: Path) -> ServedLatentPER:
    """Reads what `save_latent_per` wrote, in float32, ready for inference.

    Raises:
        EngineError: the file is missing, damaged or of another kind.
    """
    config, tensors = load_config(path, LATENT_PER_SCHEMA)
    tensors.pop(HASHES, None)
    try:
        shape, encoder_shape = _shapes(config)
        network = LatentPER(shape)
        network.expressions = Taught.from_metadata(read_metadata(path)).expressions
        of_encoder = {n: t for n, t in tensors.items() if n.startswith(_ENCODER)}
        load_without_counters(network, {n: t for n, t in tensors.items() if n not in of_encoder})
        encoder = Encoder(encoder_shape) if encoder_shape else None
        if encoder is not None:
            own = {n.removeprefix(_ENCODER): t for n, t in of_encoder.items()}
            load_without_counters(encoder, own)
    except UNFIT as error:
        reason = str(error).splitlines()[0]
        raise EngineError(f"{path.name}: not the weights of a Latent-PER: {reason}") from error
    return ServedLatentPER(network, encoder).eval().requires_grad_(False)


def _shapes(config: Mapping[str, Any]) -> tuple[LatentPERConfig, EncoderConfig | None]:
    told = dict(config)
    encoder = told.pop("encoder", None)
    backbone = BackboneConfig(**told.pop("backbone"))
    shape = LatentPERConfig(backbone=backbone, **told)
    if (encoder is None) != (shape.latent == "none"):
        raise ValueError("its encoder is missing, or one too many")
    if encoder is None:
        return shape, None
    tuples: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in encoder.items()}
    return shape, EncoderConfig(**tuples)


def export_latent_per(served: ServedLatentPER) -> bytes:
    """The classifier as an ONNX model.

    Input `faces`: uint8 (N, 64, 64) gray aligned crops. Output `probs_LABELS`, after the label set
    that it learned: float32 (N, 7). N is dynamic.
    """
    output = f"probs_{served.network.config.labels}"
    return export_onnx(served, [example_faces(2)], input_names=["faces"], output_names=[output])
