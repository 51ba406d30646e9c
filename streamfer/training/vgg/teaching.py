"""Earlier networks as teachers: their answers take a part of every target."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from streamfer.models.vgg import FaceVGG, folded


class Teachers:
    """Networks whose mean answers a run learns from (Hinton et al., 2015).

    They see each batch exactly as the learner does, changed and mixed (Beyer et al., 2022): of the
    faces as they are they would say what they remember.

    Args:
        models: trained networks.
        share: part of every target, in [0, 1), that is theirs.
        device: where they run.
    """

    def __init__(self, models: Sequence[FaceVGG], share: float, device: torch.device) -> None:
        self._models = [folded(model).to(device) for model in models]
        self._share = share

    @torch.no_grad()
    def teach(self, crops: Tensor, ferplus: Tensor, fer2013: Tensor) -> tuple[Tensor, Tensor]:
        """Targets of both heads, [N7] each, of which the share is the teachers' mean calibrated
        answer to the crops, [NHW] uint8, as they are and mirrored; rows without a target stay
        without."""
        views = torch.cat([crops, crops.flip(2)])
        of_ferplus, of_fer2013 = zip(
            *(model.probabilities(views) for model in self._models), strict=True
        )
        return self._shared(ferplus, of_ferplus), self._shared(fer2013, of_fer2013)

    def _shared(self, target: Tensor, answers: Sequence[Tensor]) -> Tensor:
        mean = torch.cat(list(answers)).reshape(-1, *target.shape).mean(dim=0)
        return torch.lerp(target, mean * target.sum(dim=1, keepdim=True), self._share)
