"""A discriminator that looks through a frozen face network, and the augmentation that it needs.

Sauer et al., *Projected GANs Converge Faster* (2021): what a trained network sees of a picture, at
several scales, goes through random mixtures that stay as they are, and small discriminators, one to
a scale, judge those. Each sees something else, none can look at single pixels, and they need far
fewer pictures than one that begins with nothing. Their batch normalisation is left out, and the
loss is the logistic one of the plain game.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from streamfer.models.inversion.lens import Lens

_STAGES = (1, 2, 3, 4)
"""Of the face network; the fifth has no places left to judge."""
_CHANNELS = 48
"""Of every mixture and every small discriminator."""
_JUDGED_PX = 6
"""A small discriminator halves its map until the sides are at most this long."""
_LIGHT_PX = 12
"""The picture itself, averaged to this side, is one more scale: the face network looks past light
and contrast."""
_SHIFT = 0.125
"""Largest translation, as a fraction of the side."""
_CUT = 0.4
"""Side of the square that is cut out, as a fraction of the picture's."""


class ProjectedDiscriminator(nn.Module):
    """Tells real pictures from generated ones by what a frozen network sees in them.

    Args:
        lens: frozen, on the device that trains; not part of the state.
        resolution: side of the pictures.
    """

    def __init__(self, lens: Lens, resolution: int) -> None:
        super().__init__()
        self._lens = (lens,)  # in a tuple, so that it is no part of this module
        device = next(lens.parameters()).device
        with torch.no_grad():
            maps = lens(torch.zeros(1, 1, resolution, resolution, device=device), _STAGES)
        sizes = [each.shape[2] for each in maps]
        for number, each in enumerate(maps):
            mixture = torch.empty(_CHANNELS, each.shape[1], 1, 1)
            self.register_buffer(f"mixture{number}", nn.init.kaiming_normal_(mixture))
        judged = [_judge(_CHANNELS, size) for size in sizes]
        self.judges = nn.ModuleList([*judged, _judge(1, min(_LIGHT_PX, resolution))])
        self.to(device)

    def forward(self, images: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """(N, 1, R, R) of −1…1 → logits (N, K), of every place at every scale, positive for real.

        Args:
            images: pictures.
            dtype: that the networks work in; the parameters' own if None.
        """
        with torch.autocast(images.device.type, dtype, enabled=dtype is not None):
            maps = self._mixed(self._lens[0](images, _STAGES))
            maps.append(F.adaptive_avg_pool2d(images, min(_LIGHT_PX, images.shape[2])))
            judged = [judge(x) for judge, x in zip(self.judges, maps, strict=True)]
        return torch.cat([each.flatten(1) for each in judged], dim=1).float()

    def _mixed(self, maps: list[Tensor]) -> list[Tensor]:
        """Channels mixed at random, and every scale with the coarser ones."""
        mixed: list[Tensor] = []
        for number in reversed(range(len(maps))):
            x = F.conv2d(maps[number], getattr(self, f"mixture{number}"))
            if mixed:
                x = x + F.interpolate(mixed[0], size=x.shape[2:], mode="nearest")
            mixed.insert(0, x)
        return mixed


def _judge(channels: int, size: int) -> nn.Sequential:
    """Maps [NCHW] of a side in pixels → logits (N, 1, h, w)."""
    layers: list[nn.Module] = []
    while size > _JUDGED_PX:
        convolution = nn.Conv2d(channels, _CHANNELS, 4, stride=2, padding=1)
        layers += [spectral_norm(convolution), nn.LeakyReLU(0.2)]
        channels, size = _CHANNELS, size // 2
    middle = spectral_norm(nn.Conv2d(channels, _CHANNELS, 3, padding=1))
    last = spectral_norm(nn.Conv2d(_CHANNELS, 1, 3, padding=1))
    return nn.Sequential(*layers, middle, nn.LeakyReLU(0.2), last)


class DifferentiableAugment(nn.Module):
    """Light, contrast, place and a hole, changed at random in real and generated pictures alike.

    Zhao et al., *Differentiable Augmentation for Data-Efficient GAN Training* (2020), for gray
    pictures: a discriminator that sees no face twice cannot learn the faces by heart.
    """

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, R, R) of −1…1 → the same shape, differentiable."""
        n, side, device = len(images), images.shape[2], images.device
        random = torch.rand(6, n, 1, 1, 1, device=device)
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        relit = (images - mean) * (0.5 + random[0]) + mean + random[1] - 0.5
        matrix = torch.eye(2, 3, device=device).repeat(n, 1, 1)
        matrix[:, :, 2] = 2 * _SHIFT * (2 * random[2:4, :, 0, 0, 0].T - 1)
        grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
        moved = F.grid_sample(relit, grid, padding_mode="zeros", align_corners=False)
        places = torch.arange(side, device=device) / side
        rows = (places.view(1, 1, -1, 1) - random[4]).abs() < _CUT / 2
        columns = (places.view(1, 1, 1, -1) - random[5]).abs() < _CUT / 2
        return torch.where(rows & columns, torch.zeros_like(moved), moved)
