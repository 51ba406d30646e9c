"""VGG19 with batch normalisation, one trunk and two heads (paper A, 3.1, Fig. 5).

The convolutional plan is configuration E of Simonyan & Zisserman (2015) with the channel counts
multiplied by a width. At 48 px the fifth pooling step sees a 3 × 3 map; averaging it, where VGG
takes the maximum, leaves the network free of the input size, which training uses to start small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from streamfer.errors import ConfigError, EngineError
from streamfer.labels import LABEL_SETS, LABELS, NUM_LABELS, LabelSet
from streamfer.models.shipped import SHIPPED
from streamfer.models.storage import (
    UNFIT,
    dequantised,
    half_tensors,
    int8_tensors,
    load_without_counters,
    read_tensors,
    write_tensors,
)
from streamfer.models.taught import Taught
from streamfer.models.untaught import without_untaught
from streamfer.vision.align import FACE_SIZE

Storage = Literal["float16", "int8"]

SHIPPED_FACE_WEIGHTS = SHIPPED.classifier
"""The classifier that this package was released with."""

WEIGHTS_SCHEMA = "streamfer.face_vgg19/1"

HASHES = "training_hashes"
"""The tensor of the perceptual hashes of what weights learned from."""

_STAGES = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)

NUM_STAGES = len(_STAGES)
"""Groups of convolutions; all but the first begin by pooling."""

_MIN_CONTRAST = 0.02
"""Added to a face's standard deviation, so that a blank picture is not blown up to noise."""


@dataclass(frozen=True, slots=True)
class FaceVGGConfig:
    """Shape of the network."""

    width: float = 0.5
    """Multiplies VGG19's channel counts; they are rounded to multiples of 8."""
    input_size: int = 48
    """Side in pixels to which the aligned face is resized inside the network."""
    dropout: float = 0.5
    """Between the last convolution and the heads, in training only."""

    def __post_init__(self) -> None:
        if not 0.03 <= self.width <= 2.0:
            raise ConfigError(f"width {self.width} is not between 0.03 and 2")
        if not 16 <= self.input_size <= 224:
            raise ConfigError(f"input size {self.input_size} is not between 16 and 224 px")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"dropout {self.dropout} is not in [0, 1)")


class FaceVGG(nn.Module):
    """The trunk and its two heads.

    Attributes:
        num_features: length C of the vector that the heads read.
        input_size: side in pixels at which the trunk works; training may lower it for a while.
        temperature: (2,) float32, what the logits of `ferplus` and `fer2013` are divided by
            before the softmax (Guo et al., 2017); 1 until it has been fitted.
        heads: which of the two heads were trained; the other one answers nothing of use.
        expressions: those of LABELS that it was taught; answers leave the others out.
    """

    temperature: Tensor

    def __init__(self, config: FaceVGGConfig) -> None:
        super().__init__()
        self.config = config
        self.input_size = config.input_size
        self.heads: tuple[LabelSet, ...] = LABEL_SETS
        self.expressions: tuple[str, ...] = LABELS
        self.trunk, self.num_features = _make_trunk(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.head_ferplus = nn.Linear(self.num_features, NUM_LABELS)
        self.head_fer2013 = nn.Linear(self.num_features, NUM_LABELS)
        self.register_buffer("temperature", torch.ones(2))

    def normalise(self, faces: Tensor) -> Tensor:
        """Faces as the trunk takes them, see `normalise_faces`."""
        return normalise_faces(faces, self.input_size)

    def features(self, faces: Tensor) -> Tensor:
        """What the heads read: [NHW] gray faces, 0–255, to [NC] float."""
        x = self.normalise(faces).contiguous(memory_format=torch.channels_last)
        return self.trunk(x).mean(dim=(2, 3))

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of `ferplus` and `fer2013`, each [N7], of [NHW] gray faces, 0–255."""
        x = self.dropout(self.features(faces))
        ferplus, fer2013 = self.head_ferplus(x), self.head_fer2013(x)
        if self.training:
            return ferplus, fer2013
        seen = self.expressions
        return without_untaught(ferplus, seen), without_untaught(fer2013, seen)

    def probabilities(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Calibrated probabilities of `ferplus` and `fer2013`, each [N7] float32."""
        ferplus, fer2013 = self(faces)
        return (
            torch.softmax(ferplus.float() / self.temperature[0], dim=1),
            torch.softmax(fer2013.float() / self.temperature[1], dim=1),
        )


def normalise_faces(faces: Tensor, side: int) -> Tensor:
    """Resizes faces and gives every one mean 0 and deviation 1 of its own.

    Args:
        faces: [NHW] gray, 0–255, uint8 or float.
        side: in pixels.

    Returns:
        [N1HW] float32.
    """
    x = faces.unsqueeze(1).to(torch.float32) / 255.0
    if x.shape[-1] != side:
        x = F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
    x = x - x.mean(dim=(2, 3), keepdim=True)
    deviation = x.square().mean(dim=(2, 3), keepdim=True).sqrt()
    return x / (deviation + _MIN_CONTRAST)


class ServedFaceVGG(nn.Module):
    """The network as the engines run it: uint8 faces in, probabilities out, norms folded."""

    def __init__(self, model: FaceVGG) -> None:
        super().__init__()
        self.model = folded(model)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """(probs_ferplus, probs_fer2013), each [N7] float32, of [NHW] uint8 gray faces."""
        return self.model.probabilities(faces)


def folded(model: FaceVGG) -> FaceVGG:
    """A copy for inference whose batch normalisations are folded into the convolutions."""
    copy = FaceVGG(model.config)
    copy.load_state_dict(model.state_dict())
    copy.input_size = model.input_size
    copy.expressions = model.expressions
    copy.eval()
    layers: list[nn.Module] = []
    for layer in copy.trunk:
        if isinstance(layer, nn.BatchNorm2d):
            convolution = layers.pop()
            assert isinstance(convolution, nn.Conv2d)
            layers.append(fuse_conv_bn_eval(convolution, layer))
        else:
            layers.append(layer)
    copy.trunk = nn.Sequential(*layers)
    return copy


def save_face_vgg(
    model: FaceVGG,
    path: Path,
    notes: Mapping[str, str] | None = None,
    storage: Storage = "float16",
    hashes: NDArray[np.uint64] | None = None,
) -> None:
    """Writes weights as safetensors; vectors stay float32.

    Args:
        model: the network; its configuration goes into the file's metadata.
        path: the file to write.
        notes: more metadata, such as the recipe.
        storage: of everything larger than a vector. `int8` is symmetric, with one scale for each
            output channel: half the bytes again, for networks wider than half.
        hashes: (n, 2) perceptual hashes of the pictures that it learned from.
    """
    tensors = half_tensors(model) if storage == "float16" else int8_tensors(model)
    # What the trunk works at now: a run that starts small may be stopped before it has grown.
    config = replace(model.config, input_size=model.input_size)
    shape = {name: str(value) for name, value in asdict(config).items()}
    if hashes is not None:
        tensors[HASHES] = torch.from_numpy(hashes.view(np.int64).copy())
    told = Taught(model.heads, model.expressions).to_metadata()
    write_tensors(tensors, path, {"schema": WEIGHTS_SCHEMA, **shape, **told, **(notes or {})})


def read_training_hashes(path: Path) -> NDArray[np.uint64] | None:
    """(n, 2) hashes of what weights learned from; None where they don't say.

    Raises:
        EngineError: the file is missing or damaged.
    """
    hashes = read_tensors(path)[1].get(HASHES)
    if hashes is None:
        return None
    if hashes.dtype != torch.int64 or hashes.ndim != 2 or hashes.shape[1] != 2:
        raise EngineError(f"{path.name}: {HASHES} are none")
    return hashes.numpy().view(np.uint64)


def load_face_vgg(path: Path) -> FaceVGG:
    """Reads weights written by `save_face_vgg`, as a float32 network ready for inference.

    Raises:
        EngineError: the file is missing, damaged or of another kind.
    """
    metadata, stored = read_tensors(path)
    if metadata.get("schema") != WEIGHTS_SCHEMA:
        found = metadata.get("schema", "none")
        raise EngineError(f"{path.name}: expected schema {WEIGHTS_SCHEMA}, found {found}")
    stored.pop(HASHES, None)
    try:
        config = FaceVGGConfig(
            width=float(metadata["width"]),
            input_size=int(metadata["input_size"]),
            dropout=float(metadata["dropout"]),
        )
        model = FaceVGG(config)
        load_without_counters(model, dequantised(stored))
        if not (model.temperature > 0).all():
            raise ValueError("a temperature is not above 0")
        taught = Taught.from_metadata(metadata)
        model.heads, model.expressions = taught.heads, taught.expressions
    except UNFIT as error:
        reason = str(error).splitlines()[0]
        raise EngineError(f"{path.name}: not the weights of a face network: {reason}") from error
    return model.eval()


def first_stages(model: FaceVGG, count: int) -> nn.Sequential:
    """The first `count` stages of the trunk, 0 to `NUM_STAGES` - 1: its own layers, not a copy."""
    pools = [i for i, layer in enumerate(model.trunk) if isinstance(layer, nn.MaxPool2d)]
    return nn.Sequential(*list(model.trunk)[: [0, *pools][count]])


def example_faces(count: int) -> Tensor:
    """[NHW] uint8 gradient pictures of the served size, for tracing."""
    ramp = torch.linspace(0, 255, FACE_SIZE).expand(count, FACE_SIZE, FACE_SIZE)
    return ramp.to(torch.uint8)


def _make_trunk(width: float) -> tuple[nn.Sequential, int]:
    layers: list[nn.Module] = []
    channels = 1
    for index, stage in enumerate(_STAGES):
        if index:
            layers.append(nn.MaxPool2d(2))
        for full in stage:
            wider = max(8, round(full * width / 8) * 8)
            layers += [
                nn.Conv2d(channels, wider, 3, padding=1, bias=False),
                nn.BatchNorm2d(wider),
                nn.ReLU(inplace=True),
            ]
            channels = wider
    trunk = nn.Sequential(*layers)
    for layer in trunk:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            # Channels last is two to eight times as fast on a CPU, and what tensor cores want.
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    return trunk, channels
