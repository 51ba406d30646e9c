"""StyleGAN2's generator in plain PyTorch.

Karras et al., *Analyzing and Improving the Image Quality of StyleGAN* (2020). The parameters are
those of the published implementations (equalised learning rate: raw weights, scaled in use), so
that rosinality's and NVIDIA's files load by renaming keys. One thing is done differently: instead
of making one set of convolution weights per sample, activations are scaled before and after a
convolution whose weights stay constant, which is the same arithmetic, exports to ONNX and runs as
an ordinary convolution.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamfer.models.stylegan2_layers import (
    EPSILON,
    EqualizedLinear,
    ModulatedConv,
    activate,
    limit,
    resampling_filter,
    widen,
)

NoiseMode = Literal["random", "const", "none"]
"""`random`: fresh per call, for training; `const`: the generator's own pictures of noise;
`none`: left out."""


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """Shape of a generator."""

    channels: tuple[int, ...] = (256, 256, 128, 64, 32)
    """Feature maps at 4, 8, 16, … pixels; their number sets the resolution."""
    img_channels: int = 1
    z_dim: int = 128
    w_dim: int = 128
    mapping_layers: int = 4
    mapping_lr_multiplier: float = 0.01
    clamp: float | None = 256.0
    """Largest magnitude of a float16 activation, so that sums stay finite; None for no limit."""

    @property
    def resolution(self) -> int:
        """Side of the picture in pixels."""
        return 4 * 2 ** (len(self.channels) - 1)

    @property
    def num_ws(self) -> int:
        """Style inputs: two per resolution."""
        return 2 * len(self.channels)


class StyledConv(nn.Module):
    """Modulated 3×3 convolution, noise, bias and activation."""

    noise_const: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        config: GeneratorConfig,
        *,
        resolution: int,
        upsample: bool = False,
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv(in_channels, out_channels, 3, config.w_dim, upsample=upsample)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self._clamp = config.clamp

    def forward(self, x: Tensor, w: Tensor, noise: NoiseMode) -> Tensor:
        """[NCHW] × (N, w_dim) → [NCHW]."""
        x = self.conv(x, w)
        if noise == "const":
            x = x + (self.noise_const * self.noise_strength).to(x.dtype)
        elif noise == "random":
            sample = torch.randn(x.shape[0], 1, *x.shape[2:], device=x.device, dtype=x.dtype)
            x = x + sample * self.noise_strength.to(x.dtype)
        return activate(x + self.bias.to(x.dtype)[:, None, None], self._clamp)


class ToImage(nn.Module):
    """Modulated 1×1 convolution to the picture's channels, without demodulation."""

    def __init__(self, in_channels: int, config: GeneratorConfig) -> None:
        super().__init__()
        self.conv = ModulatedConv(
            in_channels, config.img_channels, 1, config.w_dim, demodulate=False
        )
        self.bias = nn.Parameter(torch.zeros(config.img_channels))
        self._clamp = config.clamp

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """[NCHW] × (N, w_dim) → (N, img_channels, H, W)."""
        x = self.conv(x, w) + self.bias.to(x.dtype)[:, None, None]
        return limit(x, self._clamp)


class SynthesisBlock(nn.Module):
    """One resolution: two styled convolutions (one at 4 px) and a contribution to the picture."""

    upsampling_filter: Tensor

    def __init__(self, index: int, config: GeneratorConfig) -> None:
        super().__init__()
        resolution, channels = 4 * 2**index, config.channels[index]
        self.up = (
            StyledConv(
                config.channels[index - 1], channels, config, resolution=resolution, upsample=True
            )
            if index
            else None
        )
        self.conv = StyledConv(channels, channels, config, resolution=resolution)
        self.to_image = ToImage(channels, config)
        self.register_buffer("upsampling_filter", resampling_filter(gain=4), persistent=False)

    def forward(
        self, x: Tensor, image: Tensor | None, ws: Tensor, noise: NoiseMode
    ) -> tuple[Tensor, Tensor]:
        """Features [NCHW], the picture so far, and this block's two or three styles (N, 2–3, w_dim)
        → features and picture at this block's resolution."""
        if self.up is not None:
            x = self.up(x, ws[:, 0], noise)
        x = self.conv(x, ws[:, -2], noise)
        addition = widen(self.to_image(x, ws[:, -1]))
        return x, addition if image is None else self._double(image) + addition

    def _double(self, image: Tensor) -> Tensor:
        channels = image.shape[1]
        kernel = self.upsampling_filter.to(image.dtype).expand(channels, 1, 4, 4)
        return F.conv_transpose2d(image, kernel, stride=2, padding=1, groups=channels)


class Synthesis(nn.Module):
    """From styles to picture, with skip outputs."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.const = nn.Parameter(torch.randn(config.channels[0], 4, 4))
        self.blocks = nn.ModuleList(
            SynthesisBlock(index, config) for index in range(len(config.channels))
        )

    def forward(
        self, ws: Tensor, noise: NoiseMode = "const", dtype: torch.dtype | None = None
    ) -> Tensor:
        """(N, num_ws, w_dim) → (N, img_channels, R, R), −1 to 1 with some overshoot.

        Args:
            ws: styles.
            noise: where the noise comes from.
            dtype: of the activations; the parameters' own if None. The picture is summed up, and
                returned, in float32 at least.
        """
        x = self.const.to(dtype or self.const.dtype).expand(ws.shape[0], -1, -1, -1)
        image: Tensor | None = None
        for index, block in enumerate(self.blocks):
            # Neighbouring blocks share a style: one's picture and the next one's first convolution.
            x, image = block(x, image, ws[:, max(2 * index - 1, 0) : 2 * index + 2], noise)
        assert image is not None
        return image


class Mapping(nn.Module):
    """From the normal distribution of z to the styles' distribution."""

    w_avg: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        sizes = [config.z_dim] + [config.w_dim] * config.mapping_layers
        self.layers = nn.ModuleList(
            EqualizedLinear(a, b, lr_multiplier=config.mapping_lr_multiplier)
            for a, b in itertools.pairwise(sizes)
        )
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Tensor) -> Tensor:
        """(N, z_dim) → w (N, w_dim)."""
        x = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + EPSILON)
        for layer in self.layers:
            x = activate(layer(x))
        return x


class Generator(nn.Module):
    """Mapping and synthesis.

    Args:
        config: its shape.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config)
        self.synthesis = Synthesis(config)

    def styles(self, z: Tensor, truncation_psi: float = 1.0) -> Tensor:
        """(N, z_dim) → ws (N, num_ws, w_dim), drawn towards w_avg by 1 − `truncation_psi`."""
        w = self.mapping(z)
        if truncation_psi != 1.0:
            w = self.mapping.w_avg.lerp(w, truncation_psi)
        return w[:, None].expand(-1, self.config.num_ws, -1)

    def forward(
        self,
        z: Tensor,
        truncation_psi: float = 1.0,
        noise: NoiseMode = "const",
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """(N, z_dim) → (N, img_channels, R, R), −1 to 1 with some overshoot."""
        return self.synthesis(self.styles(z, truncation_psi), noise, dtype)

    def freeze(self) -> Generator:
        """Makes it a constant: no gradients to its weights, and sums of squares computed once.

        Call it after loading the weights; they must not change afterwards.
        """
        self.eval().requires_grad_(False)
        for module in self.modules():
            if isinstance(module, ModulatedConv):
                module.square_sum = module.sum_squares()
        return self

    def thaw(self) -> Generator:
        """Takes `freeze`'s sums back: they are computed from the weights again, in every call."""
        for module in self.modules():
            if isinstance(module, ModulatedConv):
                module.square_sum = None
        return self


@torch.no_grad()
def style_spread(generator: Generator, samples: int = 1024) -> Tensor:
    """Root mean square distance per element of w from its average: the unit of steps in W+."""
    random = torch.Generator().manual_seed(0)
    z = torch.randn(samples, generator.config.z_dim, generator=random)
    w = generator.mapping(z.to(generator.mapping.w_avg.device))
    return (w - w.mean(dim=0)).square().mean().sqrt()


def to_uint8(images: Tensor) -> Tensor:
    """Pictures of −1…1 as uint8, clipped and rounded."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def to_pictures(images: Tensor) -> Tensor:
    """Pictures of −1…1 [NCHW] as uint8: gray (N, H, W), or RGB (N, H, W, 3)."""
    pictures = to_uint8(images)
    return pictures[:, 0] if pictures.shape[1] == 1 else pictures.permute(0, 2, 3, 1).contiguous()


def from_uint8(images: Tensor) -> Tensor:
    """uint8 pictures, gray (N, H, W) or RGB (N, H, W, 3), as float32 [NCHW], −1 to 1."""
    planes = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
    return planes.float() / 127.5 - 1
