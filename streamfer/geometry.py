"""Plane geometry of faces: boxes, similarity transforms and the face template.

Pure functions on numpy arrays; boxes are `xyxy` in pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamfer.types import FloatArray

FACE_TEMPLATE: FloatArray = np.array(
    [[0.33, 0.40], [0.67, 0.40], [0.50, 0.59], [0.365, 0.745], [0.635, 0.745]], dtype=np.float32
)
"""(5, 2) landmarks as fractions of the square face crop, made symmetric from what CenterFace finds
in FER2013's own crops: eyes (0.32, 0.41) and (0.66, 0.39), nose (0.49, 0.59), mouth corners
(0.38, 0.75) and (0.65, 0.74). A crop aligned to it looks like the pictures models are trained
on."""

BOX_IN_TEMPLATE: tuple[float, float, float, float] = (0.50, 0.51, 0.80, 0.90)
"""Centre x, centre y, width and height of the detector's box as fractions of the face crop."""


def similarity_transform(source: ArrayLike, target: ArrayLike) -> FloatArray:
    """Least-squares similarity (rotation, uniform scale, shift) that maps `source` to `target`.

    Closed form of Umeyama (1991), without reflection.

    Args:
        source: (n, 2) points, n ≥ 2, not all equal.
        target: (n, 2) points.

    Returns:
        (2, 3) float32 matrix M with `target ≈ source @ M[:, :2].T + M[:, 2]`.

    Raises:
        ValueError: the source points are all equal.
    """
    src = np.asarray(source, dtype=np.float64)
    dst = np.asarray(target, dtype=np.float64)
    src_mean, dst_mean = src.mean(axis=0), dst.mean(axis=0)
    a, b = src - src_mean, dst - dst_mean
    spread = float((a * a).sum())
    if spread <= 0.0:
        raise ValueError("similarity_transform: the source points are all equal")
    # With complex numbers the optimum is one division: scale · e^(i·angle) = Σ conj(a)·b / Σ |a|².
    cos = float((a * b).sum()) / spread
    sin = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    rotation = np.array([[cos, -sin], [sin, cos]])
    shift = dst_mean - rotation @ src_mean
    return np.concatenate([rotation, shift[:, None]], axis=1).astype(np.float32)


def lean_degrees(landmarks: FloatArray) -> NDArray[np.float64]:
    """By how much faces lean in their picture: the line of the eyes and that of the mouth.

    Args:
        landmarks: (n, 5, 2) px, see `Detection.landmarks`.

    Returns:
        (n,) degrees in [-180, 180], clockwise; nan where landmarks are not finite.
    """
    points = landmarks.astype(np.float64)
    across = points[:, 1] - points[:, 0] + points[:, 4] - points[:, 3]
    return np.degrees(np.arctan2(across[:, 1], across[:, 0]))


def apply_affine(matrix: ArrayLike, points: ArrayLike) -> FloatArray:
    """Maps (n, 2) points through a (2, 3) affine matrix."""
    m = np.asarray(matrix, dtype=np.float32)
    return np.asarray(points, dtype=np.float32) @ m[:, :2].T + m[:, 2]


def invert_affine(matrix: ArrayLike) -> FloatArray:
    """Inverse of a (2, 3) affine matrix, (2, 3) float32."""
    m = np.asarray(matrix, dtype=np.float64)
    inverse = np.linalg.inv(m[:, :2])
    return np.concatenate([inverse, -(inverse @ m[:, 2])[:, None]], axis=1).astype(np.float32)


def box_area(boxes: ArrayLike) -> FloatArray:
    """Areas of (n, 4) boxes in px², (n,) float32; inverted boxes have none."""
    b = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    wh = np.maximum(b[:, 2:] - b[:, :2], 0.0)
    return wh[:, 0] * wh[:, 1]


def box_overlap(boxes_a: ArrayLike, boxes_b: ArrayLike) -> FloatArray:
    """Area that every pair shares, (n, m) float32 px².

    Args:
        boxes_a: (n, 4) px.
        boxes_b: (m, 4) px.
    """
    a = np.asarray(boxes_a, dtype=np.float32).reshape(-1, 4)
    b = np.asarray(boxes_b, dtype=np.float32).reshape(-1, 4)
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    wh = np.maximum(bottom_right - top_left, 0.0)
    return wh[..., 0] * wh[..., 1]


def box_iou(boxes_a: ArrayLike, boxes_b: ArrayLike) -> FloatArray:
    """Intersection over union of every pair, (n, m) float32 in [0, 1].

    Args:
        boxes_a: (n, 4) px.
        boxes_b: (m, 4) px.
    """
    overlap = box_overlap(boxes_a, boxes_b)
    union = box_area(boxes_a)[:, None] + box_area(boxes_b)[None, :] - overlap
    return np.where(union > 0.0, overlap / np.maximum(union, 1e-9), 0.0).astype(np.float32)


def clip_boxes(boxes: ArrayLike, width: int, height: int) -> FloatArray:
    """(n, 4) boxes cut to the frame, float32."""
    b = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    b[:, 0::2] = b[:, 0::2].clip(0, width)
    b[:, 1::2] = b[:, 1::2].clip(0, height)
    return b


def square_face_box(box_xyxy: ArrayLike) -> FloatArray:
    """The square crop, (4,) float32 px, that a detector's box implies under BOX_IN_TEMPLATE."""
    x1, y1, x2, y2 = np.asarray(box_xyxy, dtype=np.float32)
    centre_x, centre_y, width, height = BOX_IN_TEMPLATE
    side = ((x2 - x1) / width + (y2 - y1) / height) / 2
    left = (x1 + x2) / 2 - centre_x * side
    top = (y1 + y2) / 2 - centre_y * side
    return np.array([left, top, left + side, top + side], dtype=np.float32)
