"""The fused classifier (paper A, 2; paper B, 3.3): VGG19 features beside the face's latent code.

One network from the aligned face to probabilities under both label sets, the latent code, and the
features: the one that is exported, compiled and served.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from streamfer.errors import EngineError
from streamfer.labels import LABEL_SETS, LABELS, NUM_LABELS, LabelSet
from streamfer.models.encoder import Encoder
from streamfer.models.onnx_export import export_onnx
from streamfer.models.storage import (
    UNFIT,
    half_tensors,
    load_config,
    load_encoder,
    read_metadata,
    save_with_config,
)
from streamfer.models.stylegan2 import from_uint8
from streamfer.models.taught import Taught
from streamfer.models.untaught import without_untaught
from streamfer.models.vgg import FaceVGG, example_faces, folded, load_face_vgg

FUSED_SCHEMA = "streamfer.fused/1"
OUTPUTS = ("probs_ferplus", "probs_fer2013", "latent", "features")


@dataclass(frozen=True, slots=True)
class FusedHeadsConfig:
    """Shape of what sits on the two frozen networks."""

    num_features: int
    """Of the VGG19's feature vector."""
    num_ws: int = 10
    w_dim: int = 128
    hidden: tuple[int, int] = (256, 128)
    """Widths of the latent branch's two layers (paper B, 3.3)."""
    dropout: float = 0.5
    """Before every layer that is trained on features, in training only."""
    use_latent: bool = True
    """False leaves the latent branch out: what it adds is measured against this."""


class FusedHeads(nn.Module):
    """Latent branch, concatenation and the two heads.

    Attributes:
        mask: (num_ws · w_dim,) float32, what each latent index is multiplied by: ones, until the
            indices that matter for expressions are known.
        w_avg: (w_dim,) and spread: (), which centre and scale the latent.
        temperature: (2,) float32, what the logits of `ferplus` and `fer2013` are divided by.
        trained: which of the two heads have learned from faces.
        expressions: those of LABELS that they were taught; answers leave the others out.
    """

    mask: Tensor
    w_avg: Tensor
    spread: Tensor
    temperature: Tensor

    def __init__(self, config: FusedHeadsConfig) -> None:
        super().__init__()
        self.config = config
        self.trained: tuple[LabelSet, ...] = LABEL_SETS
        self.expressions: tuple[str, ...] = LABELS
        latent_size = config.num_ws * config.w_dim
        self.register_buffer("mask", torch.ones(latent_size))
        self.register_buffer("w_avg", torch.zeros(config.w_dim))
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("temperature", torch.ones(2))
        first, second = config.hidden
        self.branch = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(latent_size, first),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(first, second),
            nn.ReLU(),
        )
        self.dropout = nn.Dropout(config.dropout)
        joint = config.num_features + (second if config.use_latent else 0)
        self.head_ferplus = nn.Linear(joint, NUM_LABELS)
        self.head_fer2013 = nn.Linear(joint, NUM_LABELS)

    def forward(self, features: Tensor, ws: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, C) and ws (N, num_ws, w_dim) → logits of `ferplus` and `fer2013`, (N, 7)."""
        joint = features
        if self.config.use_latent:
            latent = ((ws - self.w_avg) / self.spread).flatten(1) * self.mask
            joint = torch.cat([features, self.branch(latent)], dim=1)
        joint = self.dropout(joint)
        ferplus, fer2013 = self.head_ferplus(joint), self.head_fer2013(joint)
        if self.training:
            return ferplus, fer2013
        seen = self.expressions
        return without_untaught(ferplus, seen), without_untaught(fer2013, seen)


class FusedNetwork(nn.Module):
    """Aligned faces in, everything that serving wants out.

    Args:
        network: the face network; its trunk is used, its own heads are not.
        encoder: to W+.
        heads: on both.
    """

    def __init__(self, network: FaceVGG, encoder: Encoder, heads: FusedHeads) -> None:
        super().__init__()
        self.network = folded(network)
        self.encoder = folded_encoder(encoder)
        self.heads = heads

    def describe(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 faces [NHW] → features (N, C) and ws (N, num_ws, w_dim)."""
        return self.network.features(faces), self.encoder(from_uint8(faces))

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """uint8 faces [NHW] → `probs_ferplus` and `probs_fer2013` (N, 7), `latent`
        (N, num_ws, w_dim), `features` (N, C), all float32."""
        features, ws = self.describe(faces)
        ferplus, fer2013 = self.heads(features, ws)
        temperature = self.heads.temperature
        return (
            torch.softmax(ferplus / temperature[0], dim=1),
            torch.softmax(fer2013 / temperature[1], dim=1),
            ws,
            features,
        )


def threshold_mask(scores: Tensor, threshold: Tensor | float) -> Tensor:
    """The thresholded ReLU (paper B, eq. 11): scores from the threshold up stay, others are 0.

    Args:
        scores: how much each latent index says of the expression, any shape.
        threshold: h; 0, the scores' median or their mean in the paper.
    """
    return torch.where(scores >= threshold, scores, torch.zeros_like(scores))


def folded_encoder(encoder: Encoder) -> Encoder:
    """A copy for inference whose batch normalisations are folded into the convolutions."""
    copy = Encoder(encoder.config)
    copy.load_state_dict(encoder.state_dict())
    copy.eval()
    _fold(copy)
    return copy.requires_grad_(False)


def _fold(module: nn.Module) -> None:
    """Folds each normalisation into the convolution declared just before it."""
    previous: tuple[str, nn.Conv2d] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and previous is not None:
            setattr(module, previous[0], fuse_conv_bn_eval(previous[1], child))
            setattr(module, name, nn.Identity())
        _fold(child)
        previous = (name, child) if isinstance(child, nn.Conv2d) else None


def save_fused_heads(heads: FusedHeads, path: Path, notes: dict[str, str]) -> None:
    """Writes the heads; the two networks below them have files of their own."""
    told = {**Taught(heads.trained, heads.expressions).to_metadata(), **notes}
    save_with_config(half_tensors(heads), path, FUSED_SCHEMA, asdict(heads.config), told)


def load_fused_heads(path: Path) -> FusedHeads:
    """Reads the heads alone.

    Raises:
        EngineError: the file is missing, damaged or of another kind.
    """
    config, tensors = load_config(path, FUSED_SCHEMA)
    try:
        heads = FusedHeads(FusedHeadsConfig(**config))
        heads.load_state_dict(tensors)
        taught = Taught.from_metadata(read_metadata(path))
        heads.trained, heads.expressions = taught.heads, taught.expressions
    except UNFIT as error:
        reason = str(error).splitlines()[0]
        raise EngineError(f"{path.name}: not the weights of fused heads: {reason}") from error
    return heads.eval()


def load_fused(classifier: Path, encoder: Path, heads: Path) -> FusedNetwork:
    """Puts the served network together from its three files.

    Raises:
        EngineError: a file is missing, damaged, of another kind, or does not fit the others.
    """
    module = load_fused_heads(heads)
    network, code = load_face_vgg(classifier), load_encoder(encoder)
    shape = module.config
    expected = (shape.num_features, shape.num_ws, shape.w_dim)
    found = (network.num_features, code.config.num_ws, code.config.w_dim)
    if expected != found:
        raise EngineError(
            f"{heads.name}: made for features, layers and style size {expected}, but"
            f" {classifier.name} and {encoder.name} have {found}"
        )
    return FusedNetwork(network, code, module).eval().requires_grad_(False)


def export_fused(network: FusedNetwork) -> bytes:
    """The served network as an ONNX model.

    Input `faces`: uint8 (N, 64, 64) gray aligned crops. Outputs: those named in OUTPUTS.
    """
    return export_onnx(
        network, [example_faces(2)], input_names=["faces"], output_names=list(OUTPUTS)
    )
