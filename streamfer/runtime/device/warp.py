"""All faces of a batch warped onto the template at once, on a device."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamfer.geometry import invert_affine
from streamfer.runtime.device.pictures import DevicePictures
from streamfer.types import FloatArray
from streamfer.vision.align import FACE_SIZE, oversampled, oversampling

_GRAY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (BT.601)."""
_MOST_SAMPLES = 1 << 22
"""Samples of one gather, which takes about 100 bytes for each of them: a thousand ordinary faces,
or four that fill a 4K picture."""


def warp_faces(
    pictures: DevicePictures,
    members: Sequence[int],
    matrices: Sequence[FloatArray],
    size: int = FACE_SIZE,
) -> Tensor:
    """Samples faces of any pictures as `streamfer.vision.align.warp_face` does one, in gray.

    The faces of all pictures are read in one gather: bilinear, with the edge pixels repeated beyond
    the frame, and with `oversampling` where a face is large. OpenCV rounds coordinates to 1/32 px
    and its results to whole levels after every step, this only at the end: crops differ by up to
    4 levels in noise and by 0.7 on average, less in photographs.

    Args:
        pictures: that the faces are in.
        members: for each of n faces, which picture it is in.
        matrices: (2, 3) float32 frame to crop, one per face.
        size: side S of the crops in pixels.

    Returns:
        [nSS] uint8 gray.
    """
    pictures.ensure(members)
    factors = np.array([oversampling(matrix) for matrix in matrices])
    order = np.argsort(factors, kind="stable")
    rows = [_row(pictures, members[i], oversampled(matrices[i], int(factors[i]))) for i in order]
    table = torch.from_numpy(np.array(rows)).to(pictures.pixels.device)
    samples = np.cumsum((size * factors[order]) ** 2) // _MOST_SAMPLES
    crops = []
    for part in np.split(np.arange(len(order)), np.flatnonzero(np.diff(samples)) + 1):
        crops += _warp(pictures.pixels, table[part[0] : part[-1] + 1], factors[order[part]], size)
    back = torch.from_numpy(np.argsort(order)).to(table.device)
    return torch.cat(crops)[back].round().clamp(0, 255).to(torch.uint8)


def _warp(pixels: Tensor, table: Tensor, factors: NDArray[np.int64], size: int) -> list[Tensor]:
    """Gray levels [nSS] float32 of crops in one gather; equal factors lie side by side."""
    groups = [(int(f), len(list(same))) for f, same in itertools.groupby(factors)]
    parts = torch.split(table, [count for _, count in groups])
    sampled = _gather(
        pixels,
        [_neighbours(part, size * factor) for part, (factor, _) in zip(parts, groups, strict=True)],
    )
    return [
        samples.view(count, size, factor, size, factor).mean(dim=(2, 4))
        for samples, (factor, count) in zip(sampled, groups, strict=True)
    ]


def _row(pictures: DevicePictures, member: int, matrix: FloatArray) -> NDArray[np.float64]:
    """What sampling must know of a face: the matrix from crop to frame, the last column and row of
    the frame, its width, and where it begins."""
    width, height = pictures.sizes_wh[member]
    to_frame = invert_affine(matrix).astype(np.float64).ravel()
    return np.array([*to_frame, width - 1, height - 1, width, pictures.starts[member]])


def _neighbours(table: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Which pixels the samples of some crops lie between, and how much each of them counts.

    Args:
        table: (g, 10) float64, see `_row`.
        side: samples along the sides of a crop.

    Returns:
        (4, g · side²) rows of the pixels, and float32 weights.
    """
    a, b, x0, c, d, y0, last_x, last_y = table[:, :8, None, None].float().unbind(1)
    width, start = table[:, 8:, None, None].long().unbind(1)
    line = torch.arange(side, dtype=torch.float32, device=table.device)
    u, v = line[None, :], line[:, None]
    x = torch.minimum((a * u + b * v + x0).clamp(min=0), last_x)
    y = torch.minimum((c * u + d * v + y0).clamp(min=0), last_y)
    left, top = x.floor(), y.floor()
    right, bottom = torch.minimum(left + 1, last_x), torch.minimum(top + 1, last_y)
    upper, lower = start + top.long() * width, start + bottom.long() * width
    columns = (left.long(), right.long())
    across, down = x - left, y - top
    index = [row + column for row in (upper, lower) for column in columns]
    weight = [share * part for share in (1 - down, down) for part in (1 - across, across)]
    return torch.stack(index).flatten(1), torch.stack(weight).flatten(1)


def _gather(pixels: Tensor, groups: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, ...]:
    """Interpolated gray levels of the samples of each group, float32."""
    index = torch.cat([group[0] for group in groups], dim=1)
    weight = torch.cat([group[1] for group in groups], dim=1)
    gray = torch.tensor(_GRAY, device=pixels.device)
    levels = pixels[index].float() @ gray
    return torch.split((levels * weight).sum(dim=0), [group[0].shape[1] for group in groups])
