"""What the loss does for classes that have few faces, as disgust and fear have in FER2013."""

from __future__ import annotations

import torch
from torch import Tensor

from streamfer.types import FloatArray


class RareClasses:
    """Changes the logits that the loss sees; what the network answers later stays as it is.

    Args:
        targets: (n, 7) target distributions of all training faces; rows of zeros don't count.
        adjustment: times the logarithm of a class's share is added to its logit, so that a rare
            class must win by more while it is learned (Menon et al., 2021, eq. 10); 1 makes the
            answers those of classes of equal size.
        margin: by which the logit of the target of the rarest class is lowered; that of others by
            less, as the fourth root of their size (Cao et al., 2019, eq. 13).
        device: of the logits.
    """

    def __init__(
        self, targets: FloatArray, adjustment: float, margin: float, device: torch.device
    ) -> None:
        faces = torch.from_numpy(targets).sum(dim=0, dtype=torch.float64)
        # A class without faces would be infinitely rare: it counts as one face.
        faces = faces.clamp(min=1.0)
        self._shift = (adjustment * (faces / faces.sum()).log()).float().to(device)
        self._margins = (margin * (faces.min() / faces) ** 0.25).float().to(device)

    def adjusted(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits for the loss, [N7], from those of the network and the targets, [N7] each."""
        return logits + self._shift - targets * self._margins


def face_weights(ferplus: FloatArray, fer2013: FloatArray, power: float) -> FloatArray | None:
    """(n,) chances of each face to be drawn, which sum to 1: its class's size to the −`power`.

    Args:
        ferplus: (n, 7) target distributions; where a row is zeros, that of `fer2013` counts.
        fer2013: (n, 7) target distributions.
        power: 0 to 1: the faces of all classes together are drawn equally often at 1.

    Returns:
        None at 0, where every face is shown once.
    """
    if not power:
        return None
    targets = ferplus + fer2013 * (ferplus.sum(axis=1, keepdims=True) == 0)
    weights = targets @ targets.sum(axis=0).clip(min=1.0) ** -power
    # What teaches nothing is drawn as seldom as what is most common.
    weights = weights.clip(min=weights[weights > 0].min(initial=1.0))
    chances: FloatArray = weights / weights.sum()
    return chances
