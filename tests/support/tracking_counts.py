"""Counts of multiple-object tracking: misses, false positives, identities.

Bernardin and Stiefelhagen (2008), "Evaluating Multiple Object Tracking Performance".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from streamfer.geometry import box_iou
from streamfer.tracking.tracker import TrackedFace
from streamfer.types import Detection

_MIN_IOU = 0.5


@dataclass(slots=True)
class TrackingCounts:
    misses: int = 0
    false_positives: int = 0
    numbers: dict[int, list[int]] = field(default_factory=dict)
    """Numbers that each person had, in their order."""
    worst_iou: float = 1.0
    """Smallest overlap of a reported face with the truth."""

    def add(
        self,
        faces: Sequence[TrackedFace],
        truth: dict[int, Detection],
        ignore: Sequence[Detection] = (),
    ) -> None:
        """Counts one frame; faces on one of `ignore`, half-seen people, are neither good nor bad.

        Args:
            faces: the tracker's answer.
            truth: by person.
            ignore: where a face may be reported or not.
        """
        people = list(truth)
        boxes = [f.detection.box_xyxy for f in faces]
        iou = np.zeros((len(people), len(faces)))
        if people and faces:
            iou = box_iou([truth[p].box_xyxy for p in people], boxes)
        rows, columns = linear_sum_assignment(-iou)
        matched = [(r, c) for r, c in zip(rows, columns, strict=True) if iou[r, c] >= _MIN_IOU]
        for row, column in matched:
            self.worst_iou = min(self.worst_iou, float(iou[row, column]))
            self._number(people[row], faces[column].track_id)
        self.misses += len(people) - len(matched)
        for column in set(range(len(faces))) - {c for _, c in matched}:
            if not any(box_iou(boxes[column], d.box_xyxy)[0, 0] > 0.2 for d in ignore):
                self.false_positives += 1

    def _number(self, person: int, number: int) -> None:
        numbers = self.numbers.setdefault(person, [])
        if not numbers or numbers[-1] != number:
            numbers.append(number)
