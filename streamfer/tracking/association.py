"""Which detection is which track: costs, gates and the two-stage assignment of ByteTrack.

Zhang et al. (2022), "ByteTrack", match confident detections first and then try the rest on what is
left, so that a face whose score drops behind an obstacle stays itself. Here the first stage also
offers the confident detections to the faces that left a moment ago.
"""

from __future__ import annotations

import importlib

import numpy as np
from numpy.typing import NDArray

from streamfer.geometry import box_iou
from streamfer.types import FloatArray

_IMPOSSIBLE = 1e6
_REACH = 0.8
"""Distance, in face sizes, over which a live track may find its detection."""
_REACH_PER_S = 1.5
"""By which the reach of a face that left grows, in face sizes per second."""
_MAX_SIZE_RATIO = 2.0
_SURE_IOU = 0.35
"""From this overlap on a live track takes a detection whatever it looks like: heads turn."""
_BRIEFLY_S = 0.3
"""For so long the same holds of a face that the detector missed."""
_SAME_FACE = 0.65
"""Likeness from which on a detection near a track may be its face."""
_SAME_FACE_ANYWHERE = 0.85
"""Likeness that brings a face that left back from anywhere in the picture."""
_LOST_PENALTY = 0.3
"""So that of two equally good tracks the live one gets the detection."""


def match_confident(
    tracks: FloatArray,
    absent_s: NDArray[np.float64],
    detections: FloatArray,
    likeness: FloatArray,
    before_cut: NDArray[np.bool_] | None = None,
) -> list[tuple[int, int]]:
    """Assigns confident detections to live tracks and to those that left.

    Args:
        tracks: (n, 4) px, the box that each track predicts.
        absent_s: (n,) seconds since each track was last reported; 0 for live ones.
        detections: (m, 4) px.
        likeness: (n, m) in [0, 1].
        before_cut: (n,) tracks of another shot, which are known by their looks alone; None: none.

    Returns:
        Pairs (track, detection), by track.
    """
    if not len(tracks) or not len(detections):
        return []
    iou = box_iou(tracks, detections)
    distance, size_ratio = _distance_and_size_ratio(tracks, detections)
    lost = (absent_s > 0)[:, None]
    reach = _REACH + _REACH_PER_S * absent_s[:, None]
    near = distance < reach
    possible = (size_ratio < _MAX_SIZE_RATIO) & np.where(
        (absent_s > _BRIEFLY_S)[:, None],
        (near & (likeness > _SAME_FACE)) | (likeness > _SAME_FACE_ANYWHERE),
        near & ((iou > _SURE_IOU) | (likeness > _SAME_FACE)),
    )
    if before_cut is not None:
        alike = likeness > _SAME_FACE_ANYWHERE
        possible = np.where(before_cut[:, None], alike, possible)
    cost = (
        (1 - iou)
        + 0.5 * np.minimum(distance / reach, 2.0)
        + 2.0 * (1 - likeness)
        + _LOST_PENALTY * lost
    )
    return _assign(np.where(possible, cost, _IMPOSSIBLE))


def match_doubtful(tracks: FloatArray, detections: FloatArray) -> list[tuple[int, int]]:
    """Assigns detections of low score to live tracks, by overlap alone.

    Args:
        tracks: (n, 4) px.
        detections: (m, 4) px.

    Returns:
        Pairs (track, detection), by track.
    """
    if not len(tracks) or not len(detections):
        return []
    iou = box_iou(tracks, detections)
    return _assign(np.where(iou > _SURE_IOU, 1 - iou, _IMPOSSIBLE))


def load_solver() -> None:
    """Loads what assigns several faces; files wait for it at the second face, live streams should
    not."""
    importlib.import_module("scipy.optimize")


def _distance_and_size_ratio(
    a: FloatArray, b: FloatArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance of the centres in face sizes, and ratio ≥ 1 of the sizes, of every pair."""
    centre_a, centre_b = (a[:, :2] + a[:, 2:]) / 2, (b[:, :2] + b[:, 2:]) / 2
    size_a = np.sqrt(np.maximum((a[:, 2:] - a[:, :2]).prod(axis=1), 1.0))[:, None]
    size_b = np.sqrt(np.maximum((b[:, 2:] - b[:, :2]).prod(axis=1), 1.0))[None, :]
    between = np.linalg.norm(centre_a[:, None] - centre_b[None], axis=2)
    ratio = size_a / size_b
    return between / np.sqrt(size_a * size_b), np.maximum(ratio, 1 / ratio)


def _assign(cost: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The pairs of the least total cost, by row."""
    if 1 in cost.shape:  # one face: no solver, which takes long to load
        place = int(cost.argmin())
        pairs = [(place // cost.shape[1], place % cost.shape[1])]
    else:
        from scipy.optimize import linear_sum_assignment

        pairs = [(int(r), int(c)) for r, c in zip(*linear_sum_assignment(cost), strict=True)]
    return [pair for pair in pairs if cost[pair] < _IMPOSSIBLE]
