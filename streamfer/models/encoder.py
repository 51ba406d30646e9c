"""The encoder: a small ResNet from an aligned face to a code in W+.

Its answer is an offset from the generator's average style: one common to all layers plus one per
later layer, which training keeps small (Tov et al., *Designing an Encoder for StyleGAN Image
Manipulation*, 2021, section 4.1), so that codes stay where the generator draws faces.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Shape of an encoder."""

    size: int = 64
    """Side of the face in pixels; a multiple of 2 to the number of stages."""
    img_channels: int = 1
    channels: tuple[int, ...] = (32, 64, 128, 256)
    """Feature maps of the stages; each halves the sides."""
    blocks: tuple[int, ...] = (1, 3, 4, 2)
    """Residual blocks per stage."""
    code_dim: int = 1024
    """Size of the description of a face from which the styles are read."""
    num_ws: int = 10
    w_dim: int = 128


class ResidualBlock(nn.Module):
    """He et al.'s basic block: two 3×3 convolutions beside a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """[NCHW] → (N, out_channels, H/stride, W/stride)."""
        y = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return torch.relu(y + self.shortcut(x))


class Encoder(nn.Module):
    """Aligned face → W+.

    Args:
        config: its shape.
    """

    w_avg: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        widths = (config.channels[0], *config.channels)
        stages: list[nn.Module] = [
            nn.Conv2d(config.img_channels, widths[0], 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        ]
        for index, count in enumerate(config.blocks):
            # The stem has halved the sides for the first stage.
            stages.append(ResidualBlock(widths[index], widths[index + 1], 2 if index else 1))
            stages.extend(
                ResidualBlock(widths[index + 1], widths[index + 1], 1) for _ in range(count - 1)
            )
        self.body = nn.Sequential(*stages)
        cells = (config.size // 2 ** len(config.channels)) ** 2
        # Where things are in the face matters: flatten, don't average.
        self.describe = nn.Sequential(
            nn.Conv2d(widths[-1], config.code_dim // cells, 1, bias=False),
            nn.BatchNorm2d(config.code_dim // cells),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.common = nn.Linear(config.code_dim, config.w_dim)
        self.deltas = nn.Linear(config.code_dim, (config.num_ws - 1) * config.w_dim)
        for layer in (self.common, self.deltas):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def offsets(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, img_channels, S, S) of −1…1 → common offset (N, w_dim) and the later layers' own
        deltas (N, num_ws − 1, w_dim)."""
        code = self.describe(self.body(images))
        deltas = self.deltas(code).unflatten(1, (self.config.num_ws - 1, self.config.w_dim))
        return self.common(code), deltas

    def forward(self, images: Tensor) -> Tensor:
        """(N, img_channels, S, S) of −1…1 → ws (N, num_ws, w_dim)."""
        common, deltas = self.offsets(images)
        return self.compose(common, deltas)

    def compose(self, common: Tensor, deltas: Tensor) -> Tensor:
        """Puts offsets together to ws (N, num_ws, w_dim)."""
        first = (self.w_avg + common)[:, None]
        return torch.cat([first, first + deltas], dim=1)
