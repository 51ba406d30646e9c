"""Where a face looks: yaw, pitch and roll from the five landmarks.

A mean face in three dimensions is fitted to them under scaled orthographic projection: the linear
fit is one multiplication, its nearest rotation a singular value decomposition (the first step of
POSIT; DeMenthon and Davis, *Model-Based Object Pose in 25 Lines of Code*, 1995). Five points of a
face that is not everybody's make it coarse; docs/outputs.md has the measured error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streamfer.fields import FieldSpec
from streamfer.types import FaceResult, FloatArray, UInt8Array

MEAN_FACE = np.array(
    [[-31.5, -36, 35], [31.5, -36, 35], [0, 0, 0], [-24, 28, 25], [24, 28, 25]], dtype=np.float64
)
"""(5, 3) mm from the tip of the nose: to the right in the picture, downwards, away from the
camera. Eyes 63 mm apart and 35 mm behind the tip, mouth corners 48 mm apart and 25 mm behind it."""

_CENTRED = MEAN_FACE - MEAN_FACE.mean(axis=0)
_FIT = np.linalg.pinv(_CENTRED)
"""(3, 5): least squares from points to the two rows of scale times rotation."""
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
        angles = pose_degrees(np.stack([face.detection.landmarks for face in faces]))
        return [dict(zip(("yaw", "pitch", "roll"), row, strict=True)) for row in angles.tolist()]


def pose_degrees(landmarks: FloatArray) -> NDArray[np.float64]:
    """Yaw, pitch and roll of some faces; see `PoseHead`.

    Args:
        landmarks: (n, 5, 2) px, see `Detection.landmarks`.

    Returns:
        (n, 3) degrees; nan where landmarks are not finite or all the same.
    """
    points = landmarks.astype(np.float64)
    centred = points - points.mean(axis=1, keepdims=True)
    usable = np.isfinite(centred).all(axis=(1, 2))
    usable &= (
        np.abs(np.where(usable[:, None, None], centred, 0)).max(axis=(1, 2)) > _LEAST_SPREAD_PX
    )
    angles = np.full((len(points), 3), np.nan)
    linear = np.swapaxes(_FIT @ centred[usable], 1, 2)  # (m, 2, 3)
    left, _, right = np.linalg.svd(linear, full_matrices=False)
    rows = left @ right
    # The face looks along −z of its own frame: the last column of the rotation, turned round.
    across, down = rows[:, 0], rows[:, 1]
    away = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]  # of their cross product
    looks = -np.stack([across[:, 2], down[:, 2], away], axis=1)
    angles[usable] = np.degrees(
        np.stack(
            [
                np.arctan2(looks[:, 0], -looks[:, 2]),
                np.arcsin(np.clip(-looks[:, 1], -1, 1)),
                np.arctan2(rows[:, 1, 0], rows[:, 0, 0]),
            ],
            axis=1,
        )
    )
    return angles
