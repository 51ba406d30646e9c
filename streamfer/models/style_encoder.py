"""The encoders of pSp and e4e: a face of 256 px to a code in W+ of StyleGAN2.

Richardson et al., *Encoding in Style* (CVPR 2021): a feature pyramid on an IR-SE50 (ArcFace's
ResNet with squeeze-and-excitation), and a small network per style on one of its three levels.
Tov et al., *Designing an Encoder for StyleGAN Image Manipulation* (2021): the same network, whose
later styles are offsets from the first. The modules bear the names of the published files.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamfer.models.stylegan2_layers import EqualizedLinear

_FIRST_MIDDLE, _FIRST_FINE = 3, 7
"""Styles from which on the middle and the fine map are read."""
_HALVINGS = (4, 5, 6)
"""Convolutions of a style's network on the coarse, middle and fine map: 16, 32 or 64 cells to 1."""
SQUEEZE = 16
"""Divides the channels within squeeze-and-excitation; the widths are multiples of it."""


@dataclass(frozen=True, slots=True)
class StyleEncoderConfig:
    """Shape of an encoder; the published ones differ in the number of styles alone."""

    num_ws: int = 18
    blocks: tuple[int, int, int, int] = (3, 4, 14, 3)
    """Residual blocks per stage, as in IR-SE50; each stage halves the sides."""
    width: int = 64
    """Channels of the first stage; those of the last, and of a style, are 8 times as many."""
    img_channels: int = 3

    @property
    def w_dim(self) -> int:
        """Size of a style."""
        return 8 * self.width


class SqueezeExcitation(nn.Module):
    """Scales every channel by what the whole picture says (Hu et al., 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // SQUEEZE, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // SQUEEZE, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[NCHW] to [NCHW]."""
        scale = F.relu(self.fc1(x.mean(dim=(2, 3), keepdim=True)))
        return x * torch.sigmoid(self.fc2(scale))


class ResidualBlock(nn.Module):
    """IR-SE's block: normalise, convolve twice, squeeze, beside a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if in_channels != out_channels:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False),
            nn.PReLU(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            SqueezeExcitation(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[NCHW] to [NCHW], smaller by the stride."""
        return self.res_layer(x) + self.shortcut_layer(x)


class StyleHead(nn.Module):
    """From a level of the pyramid to one style."""

    def __init__(self, channels: int, halvings: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(halvings):
            layers += [nn.Conv2d(channels, channels, 3, 2, 1), nn.LeakyReLU()]
        self.convs = nn.Sequential(*layers)
        self.linear = EqualizedLinear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, w_dim, H, W), H and W up to 2 to the number of halvings → (N, w_dim)."""
        return self.linear(self.convs(x).flatten(1))


class GradualStyleEncoder(nn.Module):
    """pSp's encoder.

    Args:
        config: its shape.
    """

    def __init__(self, config: StyleEncoderConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.input_layer = nn.Sequential(
            nn.Conv2d(config.img_channels, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.PReLU(width),
        )
        blocks: list[nn.Module] = []
        widths = (width, width, 2 * width, 4 * width, 8 * width)
        for (before, after), count in zip(itertools.pairwise(widths), config.blocks, strict=True):
            blocks.append(ResidualBlock(before, after, 2))
            blocks.extend(ResidualBlock(after, after, 1) for _ in range(count - 1))
        self.body = nn.Sequential(*blocks)
        levels = [
            (index >= _FIRST_MIDDLE) + (index >= _FIRST_FINE) for index in range(config.num_ws)
        ]
        self.styles = nn.ModuleList(StyleHead(config.w_dim, _HALVINGS[level]) for level in levels)
        self.latlayer1 = nn.Conv2d(4 * width, config.w_dim, 1)
        self.latlayer2 = nn.Conv2d(2 * width, config.w_dim, 1)
        self._levels = levels
        # The pyramid takes its fine, middle and coarse maps at the ends of the last three stages.
        self._level_ends = [end - 1 for end in itertools.accumulate(config.blocks)][1:]

    def forward(self, images: Tensor) -> Tensor:
        """(N, img_channels, 256, 256) of −1…1 → (N, num_ws, w_dim), relative to the average."""
        pyramid = self._pyramid(self.input_layer(images))
        styles = [head(pyramid[k]) for head, k in zip(self.styles, self._levels, strict=True)]
        return torch.stack(styles, dim=1)

    def _pyramid(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Coarse, middle and fine map, each (N, w_dim, H, W)."""
        maps = []
        for index, block in enumerate(self.body):
            x = block(x)
            if index in self._level_ends:
                maps.append(x)
        fine, middle, coarse = maps
        middle = _enlarged_sum(coarse, self.latlayer1(middle))
        return coarse, middle, _enlarged_sum(middle, self.latlayer2(fine))


class Encoder4Editing(GradualStyleEncoder):
    """e4e's encoder: the first style, and the others' offsets from it."""

    def forward(self, images: Tensor) -> Tensor:
        """(N, img_channels, 256, 256) of −1…1 → (N, num_ws, w_dim), relative to the average."""
        styles = super().forward(images)
        first, offsets = styles[:, :1], styles[:, 1:]
        return torch.cat([first, first + offsets], dim=1)


def _enlarged_sum(coarse: Tensor, fine: Tensor) -> Tensor:
    size = fine.shape[2:]
    return F.interpolate(coarse, size=size, mode="bilinear", align_corners=True) + fine
