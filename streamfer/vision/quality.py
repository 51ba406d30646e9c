"""How good a picture of a face is: size, pose and sharpness, each 0 to 1."""

from __future__ import annotations

import cv2
import numpy as np

from streamfer.types import Detection, FloatArray, UInt8Array
from streamfer.vision.align import FACE_SIZE

_FULL_SIZE_PX = 96.0
"""From this box height on, more pixels say nothing new to a crop of 64."""
_PROFILE_OFFSET = 0.5
"""Distance of the nose from the middle of the eyes, as a fraction of the eyes' distance, at which a
face is seen from the side."""
_SHARP_DEVIATION = 25.0
"""Standard deviation of the Laplacian of a crop, in gray levels, that counts as two thirds sharp:
about that of FER2013's faces."""


def size_score(detection: Detection) -> float:
    """Height of the box against what a crop can hold."""
    height = float(detection.box_xyxy[3] - detection.box_xyxy[1])
    return min(max(height / _FULL_SIZE_PX, 0.0), 1.0)


def frontal_score(landmarks: FloatArray) -> float:
    """How much the face looks into the camera: 1 from the front, 0 from the side.

    Args:
        landmarks: (5, 2) px; without finite ones the answer is 0.
    """
    if not np.isfinite(landmarks).all():
        return 0.0
    left, right, nose = landmarks[:3].astype(np.float64)
    eyes = right - left
    distance = float(np.hypot(*eyes))
    if distance <= 0.0:
        return 0.0
    along = float((nose - (left + right) / 2) @ eyes) / distance**2
    return max(1.0 - abs(along) / _PROFILE_OFFSET, 0.0)


def sharpness_score(crop: UInt8Array) -> float:
    """Strength of fine detail in an aligned face, 0 to 1.

    Args:
        crop: (S, S) uint8 gray, or (S, S, 3) uint8 RGB, which is brought to the first's size.
    """
    if crop.ndim == 3:
        small = cv2.resize(crop, (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_AREA)
        crop = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    deviation = float(cv2.Laplacian(crop, cv2.CV_32F).std())
    return 1.0 - float(np.exp(-deviation / _SHARP_DEVIATION))


def face_quality(detection: Detection, crop: UInt8Array) -> float:
    """Size, pose and sharpness multiplied, 0 to 1.

    Args:
        detection: the face in its frame.
        crop: (S, S) uint8 gray or (S, S, 3) uint8 RGB aligned face.
    """
    size, frontal = size_score(detection), frontal_score(detection.landmarks)
    return size * frontal * sharpness_score(crop)
