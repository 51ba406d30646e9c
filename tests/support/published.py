"""Networks as others publish them: the names and shapes in their files, and weights to fill them.

`tests/models/fixtures/*_keys.json` hold the names and shapes. The weights are made from the names,
so that answers which the published implementations gave once, with the same weights, can be kept
without keeping weights.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import torch

from streamfer.models.published_stylegan2 import rosinality_layout
from streamfer.models.style_encoder import GradualStyleEncoder, StyleEncoderConfig
from streamfer.models.stylegan2 import GeneratorConfig

FIXTURES = Path(__file__).parents[1] / "models" / "fixtures"

Keys = dict[str, list[int]]


def published_keys(name: str, size: str) -> Keys:
    """Names and shapes in a file, from the fixture `{name}_keys.json`."""
    return json.loads((FIXTURES / f"{name}_keys.json").read_text())[size]


def recorded(name: str) -> dict[str, np.ndarray]:
    """What a published implementation answered."""
    with np.load(FIXTURES / f"{name}.npz") as answers:
        return dict(answers)


def plain_weights(keys: Keys) -> dict[str, torch.Tensor]:
    """For networks of ordinary layers: He's initialisation, normalisations near the identity."""
    return {key: _plain(key, shape) for key, shape in keys.items()}


def equalized_weights(keys: Keys) -> dict[str, torch.Tensor]:
    """For StyleGAN2: normal everywhere, larger in the mapping, which multiplies by 0.01."""
    return {key: _equalized(key, shape) for key, shape in keys.items()}


def small_inversion_tensors(
    num_ws: int = 6, channels: tuple[int, ...] = (8, 8, 8)
) -> dict[str, torch.Tensor]:
    """What a file of pSp or e4e holds: an encoder of a quarter of the width and a few blocks, and a
    decoder with few channels, for styles of 128 numbers; float32."""
    with torch.device("meta"):
        encoder = GradualStyleEncoder(small_encoder_config(num_ws)).state_dict()
    layout = rosinality_layout(GeneratorConfig(channels, 3, 128, 128, 8))
    decoder = equalized_weights({name: list(place.shape) for name, place in layout.items()})
    tensors = {
        **{f"encoder.{k}": v for k, v in _plain_like(encoder).items()},
        **{f"decoder.{k}": v for k, v in decoder.items()},
    }
    return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}


def small_encoder_config(num_ws: int = 6) -> StyleEncoderConfig:
    return StyleEncoderConfig(num_ws, blocks=(1, 2, 1, 1), width=16)


def _plain_like(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return plain_weights({name: list(value.shape) for name, value in tensors.items()})


def largest_difference(ours: torch.Tensor, theirs: np.ndarray) -> float:
    """Relative to the largest value."""
    assert tuple(ours.shape) == theirs.shape
    return float(np.abs(ours.numpy() - theirs).max() / np.abs(theirs).max())


def _normal(key: str, shape: list[int]) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape)


def _plain(key: str, shape: list[int]) -> torch.Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    x = _normal(key, shape)
    if len(shape) >= 2:
        x *= np.sqrt(2 / np.prod(shape[1:]))
    elif key.endswith("running_var"):
        x = np.abs(1 + 0.1 * x)
    else:
        x = 0.1 * x + key.endswith("weight")
    return torch.from_numpy(x)


def _equalized(key: str, shape: list[int]) -> torch.Tensor:
    if key.endswith(("kernel", "resample_filter")):
        taps = np.array([1.0, 3.0, 3.0, 1.0]) / (8 if key.endswith("filter") else 4)
        return torch.from_numpy(np.outer(taps, taps))
    scale = 100 if key.startswith(("style.", "mapping.fc")) else 1
    return torch.from_numpy(np.asarray(scale * _normal(key, shape)))
