"""RUL at inference: a ResNet-18 whose map is read by one branch of its own.

Zhang et al., *Relative Uncertainty Learning for Facial Expression Recognition* (NeurIPS 2021). The
branch of the uncertainty is needed in training alone.
"""

from __future__ import annotations

from torch import Tensor, nn

from streamfer.models.backbones.backbone import BackboneConfig
from streamfer.models.backbones.resnet import ResNet

_DESCRIPTION = 64
_DROPOUT = 0.4
_EPS = 2e-5


class RUL(ResNet):
    """ResNet-18 and the branch that describes a face.

    Args:
        config: its shape.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        self.mu = make_branch(*self.map_shape)
        self.num_features = _DESCRIPTION

    def read(self, maps: Tensor) -> Tensor:
        """Feature maps to descriptions (N, 64)."""
        return self.mu(maps)


def make_branch(channels: int, side: int) -> nn.Sequential:
    """One of the two branches on a [NCHW] map: what a face is like (μ), or how uncertain that is
    (log σ²), (N, 64)."""
    return nn.Sequential(
        nn.BatchNorm2d(channels, eps=_EPS, affine=False),
        nn.Dropout(_DROPOUT),
        nn.Flatten(),
        nn.Linear(channels * side * side, _DESCRIPTION),
        nn.BatchNorm1d(_DESCRIPTION, eps=_EPS),
    )
