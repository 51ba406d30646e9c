"""How our own networks see portraits.

They know a face by its gray 64 px crop, which is a part of FFHQ's square; one fixed resampling cuts
it out for serving, for the lens and from what a generator draws.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from streamfer.models.inversion.lens import Lens
from streamfer.vision.align import FACE_SIZE
from streamfer.vision.portrait import PORTRAIT_SIZE, template_in_portrait

_LUMA = (0.299, 0.587, 0.114)
"""BT.601, as the gray of our own alignment."""


class TemplateView(nn.Module):
    """Cuts our own crop out of portraits, in gray, by averaging over areas.

    Args:
        size: side of the portraits in pixels.
    """

    rows: Tensor
    columns: Tensor
    luma: Tensor

    def __init__(self, size: int = PORTRAIT_SIZE) -> None:
        super().__init__()
        left, top, side = (fraction * size for fraction in template_in_portrait())
        self.register_buffer("rows", area_weights(top, side, size), persistent=False)
        self.register_buffer("columns", area_weights(left, side, size), persistent=False)
        self.register_buffer("luma", torch.tensor(_LUMA)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, size, size) → (N, 1, 64, 64) of the same range."""
        gray = (images * self.luma).sum(dim=1, keepdim=True)
        return self.rows @ gray @ self.columns.T


def area_weights(start: float, length: float, size: int) -> Tensor:
    """(64, size) shares of the pixels of a line in 64 equal stretches of a part of it.

    Args:
        start: where the part begins, in pixels, the first pixel reaching from 0 to 1.
        length: of the part in pixels.
        size: pixels of the line.
    """
    edges = start + length / FACE_SIZE * torch.arange(FACE_SIZE + 1, dtype=torch.float64)
    pixels = torch.arange(size, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return (overlap.clamp(min=0) * (FACE_SIZE / length)).float()


class PortraitLens(nn.Module):
    """The lens for portraits: it sees the face in them.

    Args:
        lens: of our own crops.
        size: side of the portraits in pixels.
    """

    def __init__(self, lens: Lens, size: int = PORTRAIT_SIZE) -> None:
        super().__init__()
        self.view = TemplateView(size)
        self.lens = lens

    def forward(self, images: Tensor) -> Sequence[Tensor]:
        """(N, 3, size, size) of −1…1 → feature maps [NCHW], one per depth."""
        features: Sequence[Tensor] = self.lens(self.view(images))
        return features


def gray_faces(portraits: Tensor) -> Tensor:
    """uint8 RGB portraits (N, S, S, 3) → our own crops (N, 64, 64) float, 0–255."""
    planes = portraits.permute(0, 3, 1, 2).float()
    view = TemplateView(portraits.shape[1]).to(planes.device)
    crops: Tensor = view(planes)
    return crops[:, 0]
