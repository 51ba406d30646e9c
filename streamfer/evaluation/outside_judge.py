"""Judges that had no part in our networks: the small ones of `@vladmandic/face-api` (MIT).

Nothing of it ships. Whoever wants a verdict from outside names the folder `model` of that npm
package: a network of 112 px that reads expressions, and one of 150 px (dlib's) that tells persons
apart. Layers and numbers are those of the package's published source.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamfer.errors import ConfigError
from streamfer.types import FloatArray, UInt8Array

Weights = Mapping[str, Tensor]
_MEAN_RGB = (122.782, 117.001, 104.298)
_EXPRESSION_PX, _IDENTITY_PX = 112, 150
_TO_LABELS = (3, 5, 4, 1, 2, 6, 0)
"""Its answers are neutral, happy, sad, angry, fearful, disgusted, surprised; these columns are ours
in our order."""
_BATCH = 64


class OutsideJudge:
    """Reads expressions and embeds persons. Used by one thread at a time.

    Args:
        folder: with the package's weight files.

    Raises:
        ConfigError: a file is missing or malformed.
    """

    def __init__(self, folder: Path) -> None:
        self._expression = load_weights(folder, "face_expression_model")
        self._identity = load_weights(folder, "face_recognition_model")

    def read(self, pictures: UInt8Array) -> FloatArray:
        """(n, 7) probabilities in the order of LABELS of (n, S, S) gray or (n, S, S, 3) faces."""
        answers = [
            _expressions(self._expression, part) for part in _parts(pictures, _EXPRESSION_PX)
        ]
        return torch.cat(answers)[:, list(_TO_LABELS)].numpy()

    def embed(self, pictures: UInt8Array) -> FloatArray:
        """(n, 128): persons that are alike lie close; strangers are about 0.6 apart or more."""
        return torch.cat(
            [_persons(self._identity, p) for p in _parts(pictures, _IDENTITY_PX)]
        ).numpy()


def load_weights(folder: Path, name: str) -> dict[str, Tensor]:
    """Reads one network in the format of TensorFlow.js, uint8 with scales.

    Raises:
        ConfigError: it is missing or malformed.
    """
    manifest = folder / f"{name}-weights_manifest.json"
    found: dict[str, Tensor] = {}
    try:
        for group in json.loads(manifest.read_text("utf-8")):
            data = b"".join((folder / path).read_bytes() for path in group["paths"])
            start = 0
            for weight in group["weights"]:
                small = weight.get("quantization")
                kind = np.dtype(small["dtype"] if small else "float32")
                count = int(np.prod(weight["shape"]))
                values = np.frombuffer(data, kind, count, start).astype(np.float32)
                start += count * kind.itemsize
                if small:
                    values = values * np.float32(small["scale"]) + np.float32(small["min"])
                found[weight["name"]] = torch.from_numpy(values.reshape(weight["shape"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"--judge {folder}: cannot read {name}: {error}") from error
    return found


def _parts(pictures: UInt8Array, side: int) -> list[Tensor]:
    rgb = pictures if pictures.ndim == 4 else np.repeat(pictures[..., None], 3, axis=3)
    parts = []
    for start in range(0, len(rgb), _BATCH):
        part = torch.from_numpy(rgb[start : start + _BATCH]).permute(0, 3, 1, 2).float()
        part = F.interpolate(part, (side, side), mode="bilinear", antialias=True)
        parts.append((part - torch.tensor(_MEAN_RGB)[:, None, None]) / 255)
    return parts


def _conv(x: Tensor, filters: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
    """A convolution as TensorFlow pads it: what is left over goes to the end."""
    side = filters.shape[0]
    whole = max((-(-x.shape[-1] // stride) - 1) * stride + side - x.shape[-1], 0)
    x = F.pad(x, (whole // 2, whole - whole // 2) * 2)
    order = (2, 3, 0, 1) if groups > 1 else (3, 2, 0, 1)
    return F.conv2d(x, filters.permute(*order), stride=stride, groups=groups)


@torch.no_grad()
def _expressions(w: Weights, x: Tensor) -> Tensor:
    def layer(x: Tensor, name: str, stride: int = 1) -> Tensor:
        if f"{name}/filters" in w:
            x = _conv(x, w[f"{name}/filters"], stride)
        else:
            x = _conv(x, w[f"{name}/depthwise_filter"], stride, x.shape[1])
            x = _conv(x, w[f"{name}/pointwise_filter"])
        return x + w[f"{name}/bias"][:, None, None]

    for number in range(4):
        total = entry = layer(x, f"dense{number}/conv0", 2).relu()
        for conv in (1, 2, 3):
            last = layer(entry, f"dense{number}/conv{conv}")
            total = total + last
            entry = total.relu()
        x = entry
    return torch.softmax(x.mean(dim=(2, 3)) @ w["fc/weights"] + w["fc/bias"], dim=1)


@torch.no_grad()
def _persons(w: Weights, x: Tensor) -> Tensor:
    def layer(x: Tensor, name: str, stride: int = 1, padding: int = 1) -> Tensor:
        filters = w[f"{name}/conv/filters"].permute(3, 2, 0, 1)
        x = F.conv2d(x, filters, w[f"{name}/conv/bias"], stride, padding)
        shape = (-1, 1, 1)
        return x * w[f"{name}/scale/weights"].view(shape) + w[f"{name}/scale/biases"].view(shape)

    def block(x: Tensor, name: str) -> Tensor:
        if "down" not in name:
            return (layer(layer(x, f"{name}/conv1").relu(), f"{name}/conv2") + x).relu()
        new = layer(layer(x, f"{name}/conv1", 2, 0).relu(), f"{name}/conv2")
        old = F.avg_pool2d(x, 2)
        # The shorter of the two ends in zeros, in channels and in space.
        high = max(old.shape[-1], new.shape[-1])
        old = F.pad(old, (0, high - old.shape[-1]) * 2 + (0, new.shape[1] - old.shape[1]))
        return (F.pad(new, (0, high - new.shape[-1]) * 2) + old).relu()

    x = F.max_pool2d(layer(x, "conv32_down", 2, 0).relu(), 3, 2)
    names = {key.split("/")[0]: None for key in w if "/" in key}
    for name in list(names)[1:]:
        x = block(x, name)
    return x.mean(dim=(2, 3)) @ w["fc"]
