"""The one alignment that training and serving share: a face warped onto FACE_TEMPLATE."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfer.geometry import (
    BOX_IN_TEMPLATE,
    FACE_TEMPLATE,
    apply_affine,
    invert_affine,
    similarity_transform,
    square_face_box,
)
from streamfer.types import AlignedFace, Detection, FloatArray, UInt8Array

FACE_SIZE = 64
"""Side of the aligned crop in pixels, for serving and training alike."""

ALIGNMENT = "fer2013-64/1"
"""Names template and size, for files of weights: a network reads only what it was trained on."""

_MIN_EYE_DISTANCE = 0.15
"""Eyes closer than this fraction of the box's width belong to a profile: there a similarity fitted
to five points shrinks the face, so the box decides instead."""
_FEW_SAMPLES = 2
"""Oversampling up to which a face is warped in colour: it takes less to make the crop gray than the
part of the picture that the crop shows."""
_WARP_LIMIT = 2**15 - 1
"""OpenCV warps pictures whose sides are shorter."""

Matrix = TypeVar("Matrix", NDArray[np.float32], NDArray[np.float64])


def landmarks_reliable(detection: Detection) -> bool:
    """Whether the five landmarks can carry an alignment.

    They must lie in (a slightly enlarged) box, in their order from left to right, eyes above mouth
    in the face's own frame, and the eyes far enough apart.
    """
    points = detection.landmarks
    if not np.isfinite(points).all():
        return False
    x1, y1, x2, y2 = detection.box_xyxy
    width, height = float(x2 - x1), float(y2 - y1)
    if width <= 0 or height <= 0:
        return False
    margin = np.array([0.15 * width, 0.15 * height], dtype=np.float32)
    low, high = np.array([x1, y1]) - margin, np.array([x2, y2]) + margin
    if ((points < low) | (points > high)).any():
        return False
    eyes, mouth = points[1] - points[0], points[4] - points[3]
    if float(np.hypot(*eyes)) < _MIN_EYE_DISTANCE * width:
        return False
    down = (points[3] + points[4]) / 2 - (points[0] + points[1]) / 2
    # Same turn for eyes and mouth, and the mouth on the lower side of the eye line.
    return bool(eyes @ mouth > 0 and eyes[0] * down[1] - eyes[1] * down[0] > 0)


def crop_matrix(detection: Detection, size: int = FACE_SIZE) -> FloatArray:
    """(2, 3) float32 matrix from frame pixels to the pixels of the aligned crop.

    Args:
        detection: the face; without reliable landmarks its box is used.
        size: side of the crop in pixels.
    """
    if landmarks_reliable(detection):
        # Pixel centres: fraction f of the square lies at f·size − 0.5.
        return similarity_transform(detection.landmarks, FACE_TEMPLATE * size - 0.5)
    left, top, right, _ = square_face_box(detection.box_xyxy)
    scale = size / max(float(right - left), 1e-3)
    # Boxes and landmarks share one coordinate system, so the same half pixel applies here.
    shift_x, shift_y = -left * scale - 0.5, -top * scale - 0.5
    return np.array([[scale, 0, shift_x], [0, scale, shift_y]], dtype=np.float32)


def whole_picture(picture: UInt8Array) -> Detection:
    """A detection without landmarks whose crop is the picture itself."""
    height, width = picture.shape[:2]
    centre_x, centre_y, wide, high = BOX_IN_TEMPLATE
    left, top = (centre_x - wide / 2) * width, (centre_y - high / 2) * height
    box = np.array([left, top, left + wide * width, top + high * height], dtype=np.float32)
    return Detection(box, 0.0, np.full((5, 2), np.nan, dtype=np.float32))


def warp_face(image: UInt8Array, matrix: FloatArray, size: int = FACE_SIZE) -> UInt8Array:
    """Warps an image by a frame-to-crop matrix, without aliasing when the face is large.

    Args:
        image: (H, W) or (H, W, 3) uint8.
        matrix: (2, 3) frame to crop.
        size: side of the crop in pixels.

    Returns:
        (size, size) or (size, size, 3) uint8; beyond the frame the edge pixels repeat.
    """
    if max(image.shape[:2]) >= _WARP_LIMIT:
        place, matrix = crop_region(matrix, size, image)
        image = image[place]
    factor = oversampling(matrix)
    if factor > 1:
        crop = cv2.warpAffine(
            image,
            oversampled(matrix, factor),
            (size * factor, size * factor),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    return cv2.warpAffine(
        image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def oversampling(matrix: FloatArray) -> int:
    """How many samples a pixel of the crop takes along each axis: 1, 2, 4, 8 or 16.

    Bilinear sampling skips source pixels below half scale: such a face is warped to a 2^n larger
    crop and then averaged, which is exact and touches only the face's own pixels.

    Args:
        matrix: (2, 3) frame to crop.
    """
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    return 2 ** min(int(np.log2(1 / scale)), 4) if 0 < scale <= 0.5 else 1


def oversampled(matrix: FloatArray, factor: int) -> FloatArray:
    """The (2, 3) matrix to the crop `factor` times as large, pixel edges on pixel edges."""
    large = matrix * factor
    large[:, 2] += (factor - 1) / 2
    return large


def align_face(image: UInt8Array, detection: Detection, size: int = FACE_SIZE) -> AlignedFace:
    """Warps one face onto the template, in gray (BT.601 weights, as paper B, eq. 3).

    Args:
        image: (H, W, 3) uint8 RGB, or (H, W) uint8 gray.
        detection: the face in that image.
        size: side of the crop in pixels.

    Returns:
        The face with a (size, size) uint8 gray image.
    """
    matrix = to_crop = crop_matrix(detection, size)
    if image.ndim == 3 and oversampling(matrix) > _FEW_SAMPLES:
        place, to_crop = crop_region(matrix, size, image)
        image = cv2.cvtColor(image[place], cv2.COLOR_RGB2GRAY)
    crop = warp_face(image, to_crop, size)
    if crop.ndim == 3:
        crop = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    return AlignedFace(detection=detection, image=crop, frame_to_crop=matrix)


def crop_region(matrix: Matrix, size: int, image: UInt8Array) -> tuple[tuple[slice, slice], Matrix]:
    """The part of a frame that a crop shows.

    Args:
        matrix: (2, 3) frame to crop.
        size: side of the crop in pixels.
        image: (H, W, …) the frame.

    Returns:
        Its rows and columns, at least one each, and the (2, 3) matrix from there to the crop.
    """
    corners = np.array([[-1, -1], [size, -1], [-1, size], [size, size]], dtype=np.float32)
    seen = apply_affine(invert_affine(matrix), corners)
    last = np.array(image.shape[1::-1]) - 1
    left, top = np.clip(np.floor(seen.min(axis=0)), 0, last).astype(int).tolist()
    right, bottom = np.clip(np.ceil(seen.max(axis=0)), 0, last).astype(int).tolist()
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ np.array([left, top], dtype=matrix.dtype)
    return (slice(top, bottom + 1), slice(left, right + 1)), moved
