"""What the backbones' authors add to the classifier's loss; needed in training alone.

- DAN (Wen et al., 2021): the heads' common feature is drawn to its class's centre, which is drawn
  away from the others (affinity), and the heads are kept apart (partition).
- DACL (Farzaneh & Qi, WACV 2021): attention says which features are drawn to the class's centre.
- RUL (Zhang et al., NeurIPS 2021): pairs of descriptions are mixed by their relative uncertainty,
  and the mixture must be recognised as both.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamfer.labels import NUM_LABELS
from streamfer.models.backbones.backbone import Backbone, BackboneConfig, BackboneName
from streamfer.models.backbones.dan import DAN
from streamfer.models.backbones.rul import make_branch

_DACL_WEIGHT = 0.01
_DACL_CENTRE_RATE = 0.5
_DACL_WIDTHS = (3584, 512, 64)
_DACL_SIDE = 3
"""A map of the small stem is pooled to this side first: at 6 × 6 attention has 79 M parameters."""


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a batch teaches."""

    description: Tensor = field(repr=False)
    """(N, C), to be classified."""
    loss: Tensor = field(repr=False)
    """(), added to the classifier's."""
    partner: Tensor | None = field(default=None, repr=False)
    """(N,) row with which each row is mixed: its class must be recognised, too."""
    share: Tensor | None = field(default=None, repr=False)
    """(N, 1) of a row itself in its mixture."""

    def mixed(self, values: Tensor) -> Tensor:
        """(N, d) values mixed as the descriptions are."""
        if self.partner is None or self.share is None:
            return values
        return self.share * values + (1 - self.share) * values[self.partner]


class Objective(nn.Module):
    """Describes a batch, and adds nothing: that of the backbones that are plain classifiers."""

    def forward(self, backbone: Backbone, maps: Tensor, classes: Tensor) -> Lesson:
        """The lesson of a batch.

        Args:
            backbone: in training mode.
            maps: [NCHW], its maps of the batch.
            classes: [N] int64.
        """
        return Lesson(backbone.read(maps), maps.new_zeros(()))


class DANObjective(Objective):
    """Affinity and partition loss, weights 1.

    Args:
        backbone: a DAN.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(NUM_LABELS, backbone.num_features))

    def forward(self, backbone: Backbone, maps: Tensor, classes: Tensor) -> Lesson:
        """The lesson of a batch, see `Objective`."""
        assert isinstance(backbone, DAN)
        heads = backbone.heads(maps)
        spread = self.centres.var(dim=0).sum()
        distances = (maps.mean(dim=(2, 3)) - self.centres[classes]).square().sum(dim=1)
        affinity = (distances / spread).mean()
        apart = heads.var(dim=1).mean() + sys.float_info.epsilon
        partition = torch.log(1 + heads.shape[1] / apart)
        return Lesson(backbone.described(heads), affinity + partition)


class DACLObjective(Objective):
    """The attentive centre loss, weight 0.01; the centres follow at a rate of their own.

    Args:
        backbone: a ResNet-18.
        config: its shape.
    """

    centres: Tensor

    def __init__(self, backbone: Backbone, config: BackboneConfig) -> None:
        super().__init__()
        channels, side = backbone.map_shape
        self.side = side if config.stem == "imagenet" else min(side, _DACL_SIDE)
        first, second, third = (config.scaled(width) for width in _DACL_WIDTHS)
        self.attention = nn.Sequential(
            nn.Linear(channels * self.side**2, first),
            nn.BatchNorm1d(first),
            nn.ReLU(inplace=True),
            nn.Linear(first, second),
            nn.BatchNorm1d(second),
            nn.ReLU(inplace=True),
            nn.Linear(second, third),
            nn.BatchNorm1d(third),
            nn.Tanh(),
        )
        self.attention_heads = nn.Linear(third, 2 * channels)
        centres = torch.empty(NUM_LABELS, channels)
        nn.init.kaiming_normal_(centres.T)
        self.register_buffer("centres", centres)

    def forward(self, backbone: Backbone, maps: Tensor, classes: Tensor) -> Lesson:
        """The lesson of a batch, see `Objective`."""
        pooled = F.adaptive_avg_pool2d(maps, self.side) if self.side < maps.shape[-1] else maps
        pairs = self.attention_heads(self.attention(pooled.flatten(1)))
        attention = pairs.unflatten(1, (-1, 2)).softmax(dim=2)[:, :, 1]
        description = backbone.read(maps)
        offsets = description - self.centres[classes]
        loss = (attention * offsets.square()).sum() / (2 * len(maps))
        self._follow((attention * offsets).detach(), classes)
        return Lesson(description, _DACL_WEIGHT * loss)

    @torch.no_grad()
    def _follow(self, offsets: Tensor, classes: Tensor) -> None:
        counts = torch.bincount(classes, minlength=NUM_LABELS) + 1
        sums = torch.zeros_like(self.centres).index_add_(0, classes, offsets.float())
        # A new tensor: the loss still needs the old one for its gradient.
        self.centres = self.centres + _DACL_CENTRE_RATE * sums / counts[:, None]


class RULObjective(Objective):
    """Mixes pairs by relative uncertainty.

    Args:
        backbone: a RUL.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.log_var = make_branch(*backbone.map_shape)

    def forward(self, backbone: Backbone, maps: Tensor, classes: Tensor) -> Lesson:
        """The lesson of a batch, see `Objective`."""
        description = backbone.read(maps)
        uncertainty = self.log_var(maps).exp().mean(dim=1, keepdim=True)
        partner = torch.randperm(len(maps), device=maps.device)
        share = uncertainty / (uncertainty + uncertainty[partner])
        apart = Lesson(description, maps.new_zeros(()), partner, share)
        return replace(apart, description=apart.mixed(description))


def make_objective(backbone: Backbone, config: BackboneConfig) -> Objective:
    """The objective of a backbone's authors."""
    makers: dict[BackboneName, Callable[[], Objective]] = {
        "dan": lambda: DANObjective(backbone),
        "dacl": lambda: DACLObjective(backbone, config),
        "rul": lambda: RULObjective(backbone),
    }
    return makers.get(config.name, Objective)()
