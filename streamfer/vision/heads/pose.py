"""Where a face looks: yaw, pitch and roll from the five landmarks.

A mean face in three dimensions is fitted to them under scaled orthographic projection: the linear
fit is one multiplication, its nearest rotation the inverse root of a matrix of 2 × 2 (the first
step of POSIT; DeMenthon and Davis, *Model-Based Object Pose in 25 Lines of Code*, 1995). Five
points of a face that is not everybody's make it coarse; docs/outputs.md has the measured error.

It is asked of every face in every frame, one at a time: in plain numbers that takes a tenth of what
it takes in arrays.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence

import numpy as np

from streamfer.fields import FieldSpec
from streamfer.types import FaceResult, FloatArray, UInt8Array

MEAN_FACE = np.array(
    [[-31.5, -36, 35], [31.5, -36, 35], [0, 0, 0], [-24, 28, 25], [24, 28, 25]], dtype=np.float64
)
"""(5, 3) mm from the tip of the nose: to the right in the picture, downwards, away from the
camera. Eyes 63 mm apart and 35 mm behind the tip, mouth corners 48 mm apart and 25 mm behind it."""

_FIT: list[list[float]] = np.linalg.pinv(MEAN_FACE - MEAN_FACE.mean(axis=0)).tolist()
"""(3, 5): least squares from points to the two rows of scale times rotation."""
_FLAT = 1e-9
"""Share of a fit's area beside its square size below which all points lie on a line."""
_UNKNOWN = (math.nan, math.nan, math.nan)
_LEAST_SPREAD_PX = 1e-3
"""Landmarks closer together than this are all one point."""


class PoseHead:
    """Yaw, pitch and roll in degrees, as the camera sees the face: all 0 where it looks into it.

    Yaw is positive where the face turns to the right of the picture, pitch where it looks up, roll
    where it leans clockwise in the picture.
    """

    name = "pose"
    fields = tuple(FieldSpec(name, digits=1, unit="degrees") for name in ("yaw", "pitch", "roll"))

    def read(self, crops: UInt8Array, faces: Sequence[FaceResult]) -> list[Mapping[str, float]]:
        """See `FaceHead.read`; landmarks that are no face's give no answer."""
        answers = (pose_degrees(face.detection.landmarks) for face in faces)
        return [dict(zip(("yaw", "pitch", "roll"), angles, strict=True)) for angles in answers]


def pose_degrees(landmarks: FloatArray) -> tuple[float, float, float]:
    """Yaw, pitch and roll of a face; see `PoseHead`.

    Args:
        landmarks: (5, 2) px, see `Detection.landmarks`.

    Returns:
        Degrees; nan where landmarks are not finite, all the same, or on one line.
    """
    xs, ys = landmarks.T.tolist()
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    if not math.isfinite(middle_x + middle_y):
        return _UNKNOWN
    xs, ys = [x - middle_x for x in xs], [y - middle_y for y in ys]
    if max(map(abs, (*xs, *ys))) <= _LEAST_SPREAD_PX:
        return _UNKNOWN
    across = [sum(map(operator.mul, fit, xs)) for fit in _FIT]
    down = [sum(map(operator.mul, fit, ys)) for fit in _FIT]
    # Of the matrix of these two rows: the nearest one whose rows are unit and at right angles.
    xx, yy = sum(map(operator.mul, across, across)), sum(map(operator.mul, down, down))
    xy = sum(map(operator.mul, across, down))
    area = math.sqrt(max(xx * yy - xy * xy, 0.0))
    if area <= _FLAT * (xx + yy):
        return _UNKNOWN
    size = area * math.sqrt(xx + yy + 2 * area)
    rows = [
        (((yy + area) * x - xy * y) / size, ((xx + area) * y - xy * x) / size)
        for x, y in zip(across, down, strict=True)
    ]
    # The face looks along −z of its own frame: the last column of the rotation, turned round.
    (x0, y0), (x1, y1), (x2, y2) = rows
    away = x0 * y1 - x1 * y0  # of their cross product
    yaw, pitch = math.atan2(-x2, away), math.asin(max(min(y2, 1.0), -1.0))
    return math.degrees(yaw), math.degrees(pitch), math.degrees(math.atan2(y0, x0))
