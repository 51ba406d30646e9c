"""Faces for networks made by hand: soft bright blobs, what finds and reads them, and the inputs and
outputs of RetinaFace.

Needs torch and numpy only, so that the tests of the device path run on bare GPU machines.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamfer.engine import TensorSpec
from streamfer.types import UInt8Array

BLOB_PX = 24.0
"""Standard deviation of a blob."""

_LANDMARKS = ((0.40, 0.32), (0.40, 0.68), (0.60, 0.50), (0.75, 0.38), (0.75, 0.62))
"""y and x as fractions of the box."""


def blob_picture(
    size_wh: tuple[int, int], places: list[tuple[float, float]], seed: int = 0
) -> UInt8Array:
    """(H, W, 3) uint8: a blob around each place, with a little texture, on a dark ground."""
    x, y = np.meshgrid(np.arange(size_wh[0]), np.arange(size_wh[1]))
    light = np.full(x.shape, 20.0)
    for place_x, place_y in places:
        squares = (x - place_x) ** 2 + (y - place_y) ** 2
        light += 200 * np.exp(-squares / (2 * BLOB_PX**2))
    texture = np.random.default_rng(seed).normal(0, 2, (*x.shape, 3))
    return (light[:, :, None] + texture).clip(0, 255).astype(np.uint8)


class BlobDetector(nn.Module):
    """Answers like CenterFace: the light of each cell is the score of a face of a fixed size."""

    SPECS = (
        (TensorSpec("images", np.dtype(np.uint8), (None, None, None, 3)),),
        tuple(
            TensorSpec(name, np.dtype(np.float32), (None, channels, None, None))
            for name, channels in (("heatmap", 1), ("scale", 2), ("offset", 2), ("landmarks", 10))
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fractions", torch.tensor(_LANDMARKS).flatten())

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        light = images.float().mean(dim=3, keepdim=True).permute(0, 3, 1, 2)
        heat = F.avg_pool2d(light, 4) / 255
        scale = torch.full_like(heat.repeat(1, 2, 1, 1), 3.0)  # e³ cells: 80 px
        landmarks = torch.zeros_like(heat.repeat(1, 10, 1, 1)) + self.fractions[:, None, None]
        return heat, scale, torch.zeros_like(scale), landmarks


RETINAFACE_SPECS = (
    BlobDetector.SPECS[0],
    (
        TensorSpec("boxes", np.dtype(np.float32), (None, None, 4)),
        TensorSpec("scores", np.dtype(np.float32), (None, None)),
        TensorSpec("landmarks", np.dtype(np.float32), (None, None, 10)),
    ),
)


class SmallFaceNetwork(nn.Module):
    """Probabilities and a latent code by random convolutions."""

    SPECS = (
        (TensorSpec("faces", np.dtype(np.uint8), (None, 64, 64)),),
        (
            TensorSpec("probs_ferplus", np.dtype(np.float32), (None, 7)),
            TensorSpec("probs_fer2013", np.dtype(np.float32), (None, 7)),
            TensorSpec("latent", np.dtype(np.float32), (None, 2, 4)),
            TensorSpec("features", np.dtype(np.float32), (None, 8)),
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)

        def noise(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        self.register_buffer("kernel", noise(8, 1, 8, 8) / 8)
        self.register_buffer("heads", noise(14, 8))

    def forward(self, faces: Tensor) -> tuple[Tensor, ...]:
        light = faces[:, None].float() / 255 - 0.5
        features = F.conv2d(light, self.kernel, stride=4).relu().mean(dim=(2, 3))
        logits = features @ self.heads.T
        latent = features.view(-1, 2, 4)
        return logits[:, :7].softmax(dim=1), logits[:, 7:].softmax(dim=1), latent, features
