"""What every backbone is: feature maps of a face, and a description read from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from streamfer.errors import ConfigError

BackboneName = Literal["vgg19", "resnet18", "resnet50", "dan", "dacl", "rul"]
Stem = Literal["small", "imagenet"]

BACKBONES: tuple[BackboneName, ...] = get_args(BackboneName)


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """Shape of a backbone."""

    name: BackboneName = "resnet18"
    width: float = 0.25
    """Multiplies the authors' channel counts; they are rounded to multiples of 16."""
    stem: Stem = "small"
    """`small`: one channel, 3 × 3 with stride 1 and no pooling, for 48–64 px; `imagenet`: three
    channels, 7 × 7 with stride 2 and pooling, for 224 px, as the authors have it."""
    input_size: int = 48
    """Side in pixels to which the aligned face is resized inside the network."""

    def __post_init__(self) -> None:
        if self.name not in BACKBONES:
            raise ConfigError(f"backbone {self.name}: expected one of {', '.join(BACKBONES)}")
        if self.stem not in get_args(Stem):
            raise ConfigError(f"stem {self.stem}: expected one of {', '.join(get_args(Stem))}")
        if self.name == "vgg19" and self.stem != "small":
            raise ConfigError("backbone vgg19 has no stem to choose; leave it small")
        if not 0.03 <= self.width <= 2.0:
            raise ConfigError(f"width {self.width} is not between 0.03 and 2")
        if not 32 <= self.input_size <= 224:
            raise ConfigError(f"input size {self.input_size} is not between 32 and 224 px")

    @property
    def channels(self) -> int:
        """Of the pictures that it takes."""
        return 1 if self.stem == "small" else 3

    def scaled(self, channels: int) -> int:
        """So many channels of the authors' at this width."""
        # At 8 channels oneDNN writes beyond its memory in the backward pass of a strided 1 × 1
        # convolution whose channels come last (seen with torch 2.13).
        return max(16, round(channels * self.width / 16) * 16)


class Backbone(nn.Module, ABC):
    """A network from pictures to descriptions.

    Attributes:
        num_features: length of a description.
        map_shape: channels and side of the maps at the configured size of picture.
    """

    num_features: int
    map_shape: tuple[int, int]

    @abstractmethod
    def maps(self, pictures: Tensor) -> Tensor:
        """[NCHW] float pictures to [NCHW] feature maps."""

    def read(self, maps: Tensor) -> Tensor:
        """Feature maps to descriptions (N, num_features): their mean, unless a backbone has more
        to say."""
        return maps.mean(dim=(2, 3))

    def forward(self, pictures: Tensor) -> Tensor:
        """[NCHW] float pictures to descriptions (N, num_features)."""
        return self.read(self.maps(pictures))


def channels_last(module: nn.Module) -> None:
    """Stores convolutions as CPUs and tensor cores like them: two to eight times as fast."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            last = torch.channels_last
            layer.weight.data = layer.weight.data.contiguous(memory_format=last)
