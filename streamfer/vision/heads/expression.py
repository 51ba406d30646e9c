"""What the seven probabilities say together: valence and expressiveness.

Both are derived from the track's answer, not learned from people who judged them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from streamfer.fields import FieldSpec
from streamfer.labels import LABELS
from streamfer.types import FaceResult, UInt8Array
from streamfer.vision.heads.head import FaceHead

_HAPPY, _NEUTRAL = LABELS.index("happy"), LABELS.index("neutral")
_NEGATIVE = ("angry", "disgust", "fear", "sad")
_NEGATIVE_COLUMNS = [LABELS.index(label) for label in _NEGATIVE]


class ValenceHead:
    """How pleasant the expression is: happy minus the largest negative one, −1 to 1.

    Surprise and neutral are on neither side. Without a negative expression that the network was
    taught, or without happy, there is no answer.

    Args:
        expressions: those of LABELS that the network was taught.
    """

    name = "valence"
    fields = (FieldSpec("valence", digits=4),)

    def __init__(self, expressions: Sequence[str] = LABELS) -> None:
        self._known = "happy" in expressions and not {*_NEGATIVE}.isdisjoint(expressions)

    def read(self, crops: UInt8Array, faces: Sequence[FaceResult]) -> list[Mapping[str, float]]:
        """See `FaceHead.read`."""
        if not self._known:
            return [{} for _ in faces]
        probs = np.stack([face.smoothed for face in faces])
        valence = probs[:, _HAPPY] - probs[:, _NEGATIVE_COLUMNS].max(axis=1)
        return [{"valence": value} for value in valence.tolist()]


class ExpressivenessHead:
    """How much the face shows at all: what is left beside neutral, 0 to 1.

    Args:
        expressions: those of LABELS that the network was taught; without neutral there is no
            answer.
    """

    name = "expressiveness"
    fields = (FieldSpec("expressiveness", digits=4),)

    def __init__(self, expressions: Sequence[str] = LABELS) -> None:
        self._known = "neutral" in expressions

    def read(self, crops: UInt8Array, faces: Sequence[FaceResult]) -> list[Mapping[str, float]]:
        """See `FaceHead.read`."""
        if not self._known:
            return [{} for _ in faces]
        return [{"expressiveness": 1 - float(face.smoothed[_NEUTRAL])} for face in faces]


def of_expressions(heads: Sequence[FaceHead], expressions: Sequence[str]) -> list[FaceHead]:
    """The heads for a network that was taught some of LABELS: those of this module answer what its
    probabilities allow."""
    return [
        type(head)(expressions) if isinstance(head, ValenceHead | ExpressivenessHead) else head
        for head in heads
    ]
