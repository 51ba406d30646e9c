"""What the seven probabilities say together: valence and expressiveness.

Both are derived from the track's answer, not learned from people who judged them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from streamfer.fields import FieldSpec
from streamfer.labels import LABELS
from streamfer.types import FaceResult, UInt8Array

_HAPPY, _NEUTRAL = LABELS.index("happy"), LABELS.index("neutral")
_NEGATIVE = [LABELS.index(label) for label in ("angry", "disgust", "fear", "sad")]


class ValenceHead:
    """How pleasant the expression is: happy minus the largest negative one, −1 to 1.

    Surprise and neutral are on neither side.
    """

    name = "valence"
    fields = (FieldSpec("valence", digits=4),)

    def read(self, crops: UInt8Array, faces: Sequence[FaceResult]) -> list[Mapping[str, float]]:
        """See `FaceHead.read`."""
        probs = np.stack([face.smoothed for face in faces])
        valence = probs[:, _HAPPY] - probs[:, _NEGATIVE].max(axis=1)
        return [{"valence": value} for value in valence.tolist()]


class ExpressivenessHead:
    """How much the face shows at all: what is left beside neutral, 0 to 1."""

    name = "expressiveness"
    fields = (FieldSpec("expressiveness", digits=4),)

    def read(self, crops: UInt8Array, faces: Sequence[FaceResult]) -> list[Mapping[str, float]]:
        """See `FaceHead.read`."""
        return [{"expressiveness": 1 - float(face.smoothed[_NEUTRAL])} for face in faces]
