"""Backbones by name."""

from __future__ import annotations

from collections.abc import Callable

from streamfer.models.backbones.backbone import Backbone, BackboneConfig, BackboneName
from streamfer.models.backbones.dan import DAN
from streamfer.models.backbones.resnet import ResNet
from streamfer.models.backbones.rul import RUL
from streamfer.models.backbones.vgg19 import VGG19

_MAKERS: dict[BackboneName, Callable[[BackboneConfig], Backbone]] = {
    "vgg19": VGG19,
    "resnet18": ResNet,
    "resnet50": ResNet,
    "dan": DAN,
    # DACL's attention (Farzaneh & Qi, WACV 2021) weighs its loss alone: at inference it is a
    # ResNet-18.
    "dacl": ResNet,
    "rul": RUL,
}


def make_backbone(config: BackboneConfig) -> Backbone:
    """A backbone with random weights."""
    return _MAKERS[config.name](config)
