"""How a face usually looks, and what departs from it: some faces rest sad.

Of each track the mean answer is learned. A departure is half the summed difference between the
track's answer now and that mean (their total variation distance).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from streamfer.fields import FieldSpec
from streamfer.labels import LABELS
from streamfer.types import FaceResult, FloatArray, FrameResult

BASELINE_FIELDS = (FieldSpec("departure", digits=4), FieldSpec("departure_emotion", "text"))
"""What is said of each face: how much it departs from how it usually looks, 0 to 1, and the label
that has risen most. Null until that is learned."""

_AUTO_AFTER_S = 5.0
"""Media time of a face that `auto` has seen before it says anything."""
_AUTO_MEMORY_S = 60.0
"""Time constant of what it remembers."""
_NOTHING_BELOW = 0.1
"""A smaller departure has no emotion."""
_FORGET_AFTER_S = 60.0
"""A track that has not been seen for so long is forgotten."""
_LONGEST_STEP_S = 1.0
"""Most that one frame counts for."""


@dataclass(slots=True)
class _Usual:
    """What has been learned of one track."""

    last_s: float
    seen_s: float = 0.0
    mean: FloatArray | None = None


class Baseline:
    """Learns how the faces of one stream usually look; a function of results and media time.

    Uncertain answers teach nothing.

    Args:
        learn_s: media time of each face to learn from, in seconds; None: from all of it, older
            looks counting less and less.
    """

    def __init__(self, learn_s: float | None) -> None:
        self._learn_s = learn_s
        self._tracks: dict[int, _Usual] = {}

    def apply(self, result: FrameResult) -> FrameResult:
        """The result with `BASELINE_FIELDS` in each face's `extra`."""
        time_s = result.frame.time_s
        faces = tuple(self._face(face, time_s) for face in result.faces)
        gone = [n for n, usual in self._tracks.items() if time_s - usual.last_s > _FORGET_AFTER_S]
        for number in gone:
            del self._tracks[number]
        return replace(result, faces=faces)

    def _face(self, face: FaceResult, time_s: float) -> FaceResult:
        usual = self._tracks.setdefault(face.track_id, _Usual(time_s))
        step_s = min(time_s - usual.last_s, _LONGEST_STEP_S)
        usual.last_s = time_s
        if not face.uncertain and (self._learn_s is None or usual.seen_s < self._learn_s):
            _learn(usual, face.smoothed, step_s, self._learn_s)
        enough_s = _AUTO_AFTER_S if self._learn_s is None else self._learn_s
        departure, emotion = None, None
        # Sums of many small steps may fall short of the time by their rounding.
        if usual.mean is not None and usual.seen_s >= enough_s - 1e-6:
            departure, emotion = departed(face.smoothed, usual.mean)
        said = {"departure": departure, "departure_emotion": emotion}
        return replace(face, extra={**face.extra, **said})


def departed(probs: FloatArray, usual: FloatArray) -> tuple[float, str | None]:
    """How far an answer is from the usual one, and where to.

    Args:
        probs: (7,) probabilities, in the order of LABELS.
        usual: (7,) their usual values.

    Returns:
        Total variation distance, 0 to 1, and the label that has risen most; None where that is
        next to nothing.
    """
    change = probs - usual
    departure = round(float(np.abs(change).sum()) / 2, 4)
    return departure, LABELS[int(change.argmax())] if departure >= _NOTHING_BELOW else None


def _learn(usual: _Usual, probs: FloatArray, step_s: float, learn_s: float | None) -> None:
    if usual.mean is None:
        usual.mean = probs.copy()
        return
    usual.seen_s += step_s
    memory_s = usual.seen_s if learn_s is not None else min(usual.seen_s, _AUTO_MEMORY_S)
    if memory_s > 0:
        usual.mean = usual.mean + (probs - usual.mean) * np.float32(step_s / memory_s)
