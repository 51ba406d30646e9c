"""DAN: a ResNet-18 and four cross-attention heads on its map.

Wen et al., *Distract Your Attention: Multi-head Cross Attention Network for Facial Expression
Recognition* (2021); modules and key names are those of the authors' published code (MIT).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamfer.models.backbones.backbone import BackboneConfig, channels_last
from streamfer.models.backbones.resnet import ResNet

_NUM_HEADS = 4
_SQUEEZED = 32
"""Width inside the channel attention, at full width."""
_LINEAR_DEVIATION = 0.001


class SpatialAttention(nn.Module):
    """Weighs the places of a map by one attention map that all channels share."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.conv1x1 = _convolution(channels, inner, (1, 1))
        self.conv_3x3 = _convolution(inner, channels, (3, 3))
        self.conv_1x3 = _convolution(inner, channels, (1, 3))
        self.conv_3x1 = _convolution(inner, channels, (3, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """[NCHW] to [NCHW]."""
        y = self.conv1x1(maps)
        y = F.relu(self.conv_3x3(y) + self.conv_1x3(y) + self.conv_3x1(y))
        return maps * y.sum(dim=1, keepdim=True)


class ChannelAttention(nn.Module):
    """Weighs the channels of a pooled map."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.Linear(channels, squeezed),
            nn.BatchNorm1d(squeezed),
            nn.ReLU(inplace=True),
            nn.Linear(squeezed, channels),
            nn.Sigmoid(),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """[NCHW] to (N, C)."""
        pooled = maps.mean(dim=(2, 3))
        return pooled * self.attention(pooled)


class CrossAttentionHead(nn.Module):
    """Spatial attention, then channel attention."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.sa = SpatialAttention(channels)
        self.ca = ChannelAttention(channels, squeezed)

    def forward(self, maps: Tensor) -> Tensor:
        """[NCHW] to (N, C)."""
        return self.ca(self.sa(maps))


class DAN(ResNet):
    """ResNet-18 whose description is the sum of four heads' answers, standardised.

    Log-softmax answers of alike heads all lie near log ¼, so that what faces differ in is small
    beside what they have in common, and dropout of the latter drowns it. The authors, who have no
    dropout, standardise what their one layer makes of the sum.

    Args:
        config: its shape.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        heads = [
            CrossAttentionHead(self.num_features, config.scaled(_SQUEEZED))
            for _ in range(_NUM_HEADS)
        ]
        for index, head in enumerate(heads):
            _initialise(head)
            channels_last(head)
            self.add_module(f"cat_head{index}", head)
        self.norm: nn.Module = nn.BatchNorm1d(self.num_features, affine=False)

    def heads(self, maps: Tensor) -> Tensor:
        """Feature maps to the heads' answers (N, 4, num_features): log-softmax across the heads."""
        answers = [getattr(self, f"cat_head{index}")(maps) for index in range(_NUM_HEADS)]
        return F.log_softmax(torch.stack(answers, dim=1), dim=1)

    def read(self, maps: Tensor) -> Tensor:
        """Feature maps to descriptions (N, num_features)."""
        return self.described(self.heads(maps))

    def described(self, heads: Tensor) -> Tensor:
        """The heads' answers to descriptions (N, num_features)."""
        return self.norm(heads.sum(dim=1))


def _convolution(in_channels: int, out_channels: int, kernel: tuple[int, int]) -> nn.Sequential:
    padding = kernel[0] // 2, kernel[1] // 2
    convolution = nn.Conv2d(in_channels, out_channels, kernel, padding=padding)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels))


def _initialise(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=_LINEAR_DEVIATION)
            nn.init.zeros_(layer.bias)
