"""Classifiers that share a trained backbone: only the two layers on its descriptions are learned.

The backbone takes nearly all of a training's time, and its descriptions of a view are the same for
every classifier on it. So the arms of a comparison, with and without the code, cost little more
than one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamfer.models.directions import Directions
from streamfer.models.encoder import Encoder
from streamfer.models.latent_per import LatentPER
from streamfer.training.backbones.run import BackboneRun, BackboneRunConfig
from streamfer.training.backbones.teaching_faces import TeachingFaces
from streamfer.types import UInt8Array

_BATCH = 128


@dataclass(frozen=True, slots=True, eq=False)
class SharedTrunk:
    """A trained backbone and what it says of the training faces."""

    network: LatentPER
    """Whose backbone it is; frozen, on the device that trains."""
    descriptions: Sequence[NDArray[np.float16]] = field(repr=False)
    """(n, C) of every view."""


def describe_views(
    network: LatentPER, faces: TeachingFaces, views: int, device: torch.device
) -> SharedTrunk:
    """Asks a trained backbone for its descriptions.

    Args:
        network: trained, whose two layers are not looked at.
        faces: the training faces.
        views: how many of their views.
        device: where it runs.
    """
    frozen = network.to(device).eval().requires_grad_(False)
    return SharedTrunk(
        frozen, [_described(frozen, faces.views.crops(view), device) for view in range(views)]
    )


@torch.inference_mode()
def _described(network: LatentPER, crops: UInt8Array, device: torch.device) -> NDArray[np.float16]:
    parts = [np.empty((0, network.backbone.num_features), np.float16)]
    for start in range(0, len(crops), _BATCH):
        batch = torch.from_numpy(np.array(crops[start : start + _BATCH])).to(device)
        parts.append(network.backbone(network.pictures(batch)).half().cpu().numpy())
    return np.concatenate(parts)


class SharedTrunkRun(BackboneRun):
    """As a run with a backbone of its own, but that the backbone stays as it is.

    Args:
        config: the run; its backbone and its views are the trunk's.
        trunk: see `SharedTrunk`.
        faces: what it learns from, described by the trunk.
        encoder: of the codes.
        directions: whose scores say which indices of a code are read.
        device: where it runs.

    Raises:
        ConfigError: the directions are of other codes.
    """

    def __init__(
        self,
        config: BackboneRunConfig,
        trunk: SharedTrunk,
        faces: TeachingFaces,
        encoder: Encoder,
        directions: Directions,
        device: torch.device,
    ) -> None:
        super().__init__(config, faces, encoder, directions, device)
        self._trunk = trunk
        for network in (self.network, self.average.model):
            network.backbone.load_state_dict(trunk.network.backbone.state_dict())

    def _learned(self) -> list[torch.nn.Parameter]:
        return list(self.network.layers.parameters())

    def _shown(self, view: int) -> NDArray[np.float16]:
        return self._trunk.descriptions[view]

    def _step(self, shown: Tensor, ws: Tensor | None, classes: Tensor) -> Tensor:
        codes = None if ws is None else self.network.codes(ws)
        return self._learn(self._loss(self.network.logits(shown.float(), codes), classes))
