"""The lens: a trained VGG19 through which faces are compared.

Both inputs of a comparison pass the network's own normalisation of light, so the lens sees form;
brightness is left to the pixels' loss.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from streamfer.models.vgg import FaceVGG, folded

DEPTHS = (2, 3, 4)
"""Stages of VGG19, from 1, whose last feature maps are compared. The lens ends at the deepest:
stage 5 adds the expression but little form."""


class Lens(nn.Module):
    """A frozen, cut copy of a face network.

    Args:
        network: what to look through.
        depths: stages that are compared, from 1, rising.
    """

    def __init__(self, network: FaceVGG, depths: Sequence[int] = DEPTHS) -> None:
        super().__init__()
        self.depths = tuple(depths)
        self.network = folded(network).requires_grad_(False)
        # A stage ends before a pooling layer, the last one at the end.
        ends = [i for i, layer in enumerate(self.network.trunk) if isinstance(layer, nn.MaxPool2d)]
        ends.append(len(self.network.trunk))
        self._ends = ends

    def forward(self, images: Tensor, depths: Sequence[int] = ()) -> list[Tensor]:
        """(N, 1, R, R) of −1…1 → feature maps [NCHW], one per depth; those of the lens, where no
        others are named."""
        x = self._normalise(images)
        features: list[Tensor] = []
        start = 0
        for end in (self._ends[depth - 1] for depth in depths or self.depths):
            x = self.network.trunk[start:end](x)
            features.append(x)
            start = end
        return features

    def features_and_logits(self, images: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """As `forward`, with the logits of `ferplus` and `fer2013`, each (N, 7), beside it."""
        features = self(images)
        deepest = self.network.trunk[self._ends[self.depths[-1] - 1] :](features[-1]).mean(
            dim=(2, 3)
        )
        return features, self.network.head_ferplus(deepest), self.network.head_fer2013(deepest)

    def _normalise(self, images: Tensor) -> Tensor:
        return self.network.normalise((images[:, 0] + 1) * 127.5)
