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
        answers = zip(*(model.probabilities(views) for model in self._models), strict=True)
        means = (torch.cat(heads).reshape(-1, *ferplus.shape).mean(dim=0) for heads in answers)
        taught = (
            torch.lerp(target, mean * target.sum(dim=1, keepdim=True), self._share)
            for target, mean in zip((ferplus, fer2013), means, strict=True)
        )
        return next(taught), next(taught)
