"""StyleGAN2's residual discriminator (Karras et al. 2020, figure 7c)."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamfer.models.stylegan2_layers import (
    EqualizedLinear,
    activate,
    blur,
    blurred_weight,
    resampling_filter,
    widen,
)

_GROUP_SIZE = 4
"""Pictures over which the minibatch standard deviation is taken."""


class EqualizedConv(nn.Module):
    """Convolution with equalised learning rate; blurs first where it halves the sides."""

    filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        bias: bool = True,
        downsample: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self._gain = 1 / math.sqrt(in_channels * kernel_size**2)
        self._downsample = downsample
        self.register_buffer("filter", resampling_filter(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[NCHW] → [NCHW]."""
        weight = self.weight * self._gain
        bias = None if self.bias is None else self.bias.to(x.dtype)
        size = weight.shape[2]
        if not self._downsample:
            return F.conv2d(x, weight.to(x.dtype), bias, padding=size // 2)
        return downsampling_conv(x, weight, bias, self.filter, compose=x.is_cuda)


def downsampling_conv(
    x: Tensor, weight: Tensor, bias: Tensor | None, kernel: Tensor, *, compose: bool
) -> Tensor:
    """Blur, then a convolution to half the sides.

    Args:
        x: [NCHW], even sides.
        weight: (out, in, k, k), k 1 or 3.
        bias: (out,) or None.
        kernel: (4, 4) blur.
        compose: whether to do both in one, see `blurred_weight`.
    """
    padding = 1 + weight.shape[2] // 2
    if compose:
        composed = blurred_weight(weight, kernel).to(x.dtype)
        return F.conv2d(x, composed, bias, stride=2, padding=padding)
    return F.conv2d(blur(x, kernel, padding), weight.to(x.dtype), bias, stride=2)


class ResidualBlock(nn.Module):
    """Two convolutions beside a 1×1 shortcut; halves the sides."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = EqualizedConv(in_channels, in_channels, 3)
        self.down = EqualizedConv(in_channels, out_channels, 3, downsample=True)
        self.skip = EqualizedConv(in_channels, out_channels, 1, bias=False, downsample=True)

    def forward(self, x: Tensor) -> Tensor:
        """[NCHW] → (N, out_channels, H/2, W/2)."""
        y = activate(self.down(activate(self.conv(x))))
        return (y + self.skip(x)) * math.sqrt(0.5)


def append_minibatch_deviation(x: Tensor) -> Tensor:
    """Appends one channel that holds the mean standard deviation over groups of pictures.

    Karras et al. 2018, section 3. [NCHW] → (N, C + 1, H, W); a batch that `_GROUP_SIZE` does not
    divide is one group.
    """
    n, channels, height, width = x.shape
    group = _GROUP_SIZE if n % _GROUP_SIZE == 0 else n
    y = widen(x).reshape(group, n // group, channels, height, width)
    deviation = (y.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    column = deviation.repeat(group)[:, None, None, None].expand(-1, 1, height, width)
    return torch.cat([x, column.to(x.dtype)], dim=1)


class Discriminator(nn.Module):
    """Tells real pictures from generated ones.

    Args:
        channels: feature maps at 4, 8, 16, … pixels, as the generator's.
        img_channels: channels of the picture.
    """

    def __init__(self, channels: tuple[int, ...], img_channels: int) -> None:
        super().__init__()
        self.from_image = EqualizedConv(img_channels, channels[-1], 1)
        self.blocks = nn.Sequential(
            *(ResidualBlock(b, a) for a, b in reversed(list(itertools.pairwise(channels))))
        )
        self.conv = EqualizedConv(channels[0] + 1, channels[0], 3)
        self.hidden = EqualizedLinear(channels[0] * 16, channels[0])
        self.out = EqualizedLinear(channels[0], 1)

    def forward(self, images: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """(N, img_channels, R, R) of −1…1 → logits (N,), positive for real.

        Args:
            images: pictures.
            dtype: of the activations up to 4 × 4; the parameters' own if None.
        """
        x = activate(self.from_image(images.to(dtype or images.dtype)))
        x = append_minibatch_deviation(widen(self.blocks(x)))
        x = activate(self.conv(x)).flatten(1)
        return self.out(activate(self.hidden(x)))[:, 0]
