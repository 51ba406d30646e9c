"""The layers of StyleGAN2's networks (Karras et al. 2018 and 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-8
"""Added under every square root, as in the published implementations."""
_SLOPE = 0.2
_ACTIVATION_GAIN = math.sqrt(2)
"""Leaky ReLU of slope 0.2, scaled so that it keeps the variance of its input."""


class EqualizedLinear(nn.Module):
    """Linear layer with equalised learning rate (Karras et al. 2018, section 4.1).

    Args:
        in_features: inputs.
        out_features: outputs.
        bias_init: initial value of every bias, after scaling.
        lr_multiplier: factor on the learning rate of weight and bias.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias_init: float = 0.0,
        lr_multiplier: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init / lr_multiplier))
        self._weight_gain = lr_multiplier / math.sqrt(in_features)
        self._bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_features) → (N, out_features)."""
        return F.linear(x, self.weight * self._weight_gain, self.bias * self._bias_gain)


def activate(x: Tensor, clamp: float | None = None) -> Tensor:
    """Leaky ReLU with gain √2; in float16 limited to ±`clamp`."""
    x = F.leaky_relu(x, _SLOPE) * _ACTIVATION_GAIN
    return limit(x, clamp)


def limit(x: Tensor, clamp: float | None) -> Tensor:
    """Clamps to ±`clamp` in float16, the one type that such values are too large for."""
    return x if clamp is None or x.dtype != torch.float16 else x.clamp(-clamp, clamp)


def widen(x: Tensor) -> Tensor:
    """Half precision as float32; float32 and float64 as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def resampling_filter(gain: float = 1.0) -> Tensor:
    """The (4, 4) filter [1, 3, 3, 1] ⊗ [1, 3, 3, 1] with the sum `gain`."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) * (gain / 64)


def blur(x: Tensor, kernel: Tensor, padding: int) -> Tensor:
    """Convolves every channel [NCHW] with one symmetric (k, k) kernel."""
    channels = x.shape[1]
    weight = kernel.to(x.dtype).expand(channels, 1, *kernel.shape)
    return F.conv2d(x, weight, padding=padding, groups=channels)


def blurred_weight(weight: Tensor, kernel: Tensor) -> Tensor:
    """Weights (out, in, k, k) of a convolution and a blur in one, (out, in, k + 3, k + 3).

    Four times the arithmetic of the two in turn, but on tensor cores that is much cheaper than a
    convolution that works on every channel by itself.
    """
    planes = weight.flatten(0, 1)[:, None]
    blurred = F.conv2d(planes, kernel[None, None].to(weight.dtype), padding=kernel.shape[0] - 1)
    return blurred.reshape(*weight.shape[:2], *blurred.shape[2:])


def upsampling_conv(x: Tensor, weight: Tensor, kernel: Tensor, *, compose: bool) -> Tensor:
    """Transposed convolution to twice the sides, then a blur.

    Args:
        x: [NCHW].
        weight: (out, in, 3, 3).
        kernel: (4, 4) blur.
        compose: whether to do both in one.
    """
    if compose:
        composed = blurred_weight(weight, kernel).transpose(0, 1).to(x.dtype)
        return F.conv_transpose2d(x, composed, stride=2, padding=2)
    y = F.conv_transpose2d(x, weight.transpose(0, 1).to(x.dtype), stride=2)
    return blur(y, kernel, padding=1)


class ModulatedConv(nn.Module):
    """Convolution whose input channels are scaled by a style (Karras et al. 2020, eq. 1–3).

    Args:
        in_channels: input feature maps.
        out_channels: output feature maps.
        kernel_size: 1 or 3.
        w_dim: size of the style input.
        demodulate: whether outputs are brought back to unit variance.
        upsample: whether the picture's sides are doubled.
    """

    upsampling_filter: Tensor
    square_sum: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        w_dim: int,
        *,
        demodulate: bool = True,
        upsample: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.affine = EqualizedLinear(w_dim, in_channels, bias_init=1.0)
        self._demodulate = demodulate
        self._upsample = upsample
        # The weights' gain, applied to the style, which is smaller. Demodulation cancels it but
        # for float16, whose sums it keeps near one.
        self._gain = 1 / math.sqrt(in_channels * kernel_size**2)
        self.register_buffer("upsampling_filter", resampling_filter(gain=4), persistent=False)
        self.register_buffer("square_sum", None, persistent=False)

    def sum_squares(self) -> Tensor:
        """(out, in) sums of the weights' squares over the kernel: all that demodulation needs to
        know of them."""
        return widen(self.weight).square().sum(dim=(2, 3))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """[NCHW] × (N, w_dim) → [NCHW]."""
        style = widen(self.affine(w))
        if not self._demodulate:
            return self._convolve(x * (style * self._gain).to(x.dtype)[:, :, None, None])
        # A style's scale cancels, in the gradient too; unit size keeps float16 in range.
        size = style.detach().square().mean(dim=1, keepdim=True)
        style = style * (self._gain * torch.rsqrt(size + EPSILON))
        square_sum = self.sum_squares() if self.square_sum is None else self.square_sum
        demodulation = torch.rsqrt(style.square() @ square_sum.to(style.dtype).T + EPSILON)
        y = self._convolve(x * style.to(x.dtype)[:, :, None, None])
        return y * demodulation.to(x.dtype)[:, :, None, None]

    def _convolve(self, x: Tensor) -> Tensor:
        if self._upsample:
            return upsampling_conv(x, self.weight, self.upsampling_filter, compose=x.is_cuda)
        return F.conv2d(x, self.weight.to(x.dtype), padding=self.weight.shape[2] // 2)
