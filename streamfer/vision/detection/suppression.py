"""No head has two boxes: which answers mean the same face, and which of them stays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfer.geometry import box_area, box_iou, box_overlap
from streamfer.types import Detection, FloatArray
from streamfer.vision.detection.search_plan import LARGEST_PX, SURE_PX, Look

_SAME_IOU = 0.3
_CONTAINED = 0.7
"""Share of the smaller of two boxes that lies in the other, above which they are of one head:
concentric boxes of different sizes overlap by little of the larger one."""
_SAME_LANDMARKS = 0.4
"""Mean distance of the landmarks of two boxes, in widths of the narrower one, below which they are
of one head: of boxes side by side both point at the same eyes and mouth."""
_BELIEVED_SCORE = 0.4
"""A face that only one look sees, though another should have, needs this score. Of 216 of FER2013's
test faces at 64 px on textures, 0.5 keeps 202 and nothing else, 0.4 keeps 203, 0.3 keeps 205 and
one box that is no face."""
_TURNED_SCORE = 0.7
"""A face that only a turned look sees needs this score, and so does one that leans, though no look
sees it upright: in five photographs and seven paintings, looked at from all sides, none gave more
than 0.61 to what is no face, and of 299 of FER2013's test faces that hang or lie 88 % get it."""
_TURNED_LOSS = 0.05
"""What its answer loses against that of an upright look: most faces stand upright."""
_LEANING_LOSS = 0.3
"""What the answer of a look in which a face does not stand upright loses: its landmarks are less
like those that the network was taught."""
_CONTRADICTING_PX = 1.5 * SURE_PX
"""Longer side of a face, in the pixels of a coarser look, from which on that look is heard against
a finer one."""
_BEST_PX = 64.0
"""Size of a face, in network pixels, at which a look places it best."""
_SCORE_OF_A_DOUBLING = 0.15
"""What a look's answer loses against another's for each doubling or halving of the size, beyond
the first."""
_EDGE_PX = 2.0
"""A box that comes so near to a tile's edge, in network pixels, is of a face that is cut there."""


def same_head(
    boxes_a: FloatArray,
    landmarks_a: FloatArray,
    boxes_b: FloatArray,
    landmarks_b: FloatArray,
    iou: float,
) -> NDArray[np.bool_]:
    """Which pairs of answers are of one head.

    Args:
        boxes_a: (n, 4) px, left, top, right, bottom.
        landmarks_a: (n, 5, 2) px; what is not a number says nothing.
        boxes_b: (m, 4) px.
        landmarks_b: (m, 5, 2) px.
        iou: overlap of two boxes above which they are.

    Returns:
        (n, m) bool.
    """
    overlap = box_overlap(boxes_a, boxes_b)
    areas_a, areas_b = (np.maximum(box_area(boxes), 1e-9) for boxes in (boxes_a, boxes_b))
    contained = overlap / np.minimum(areas_a[:, None], areas_b) > _CONTAINED
    widths_a, widths_b = (boxes[:, 2] - boxes[:, 0] for boxes in (boxes_a, boxes_b))
    narrower = np.minimum(widths_a[:, None], widths_b)
    apart = np.linalg.norm(landmarks_a[:, None] - landmarks_b, axis=3).mean(axis=2)
    same_landmarks = (apart < _SAME_LANDMARKS * narrower) & (overlap > 0)
    return (box_iou(boxes_a, boxes_b) > iou) | contained | same_landmarks


def on_same_head(a: Detection, b: Detection) -> bool:
    """Whether two answers are of one head."""
    first, second = ((face.box_xyxy[None], face.landmarks[None]) for face in (a, b))
    return bool(same_head(*first, *second, _SAME_IOU)[0, 0])


def non_maximum_suppression(
    boxes_xyxy: FloatArray,
    landmarks: FloatArray,
    scores: NDArray[np.floating[Any]],
    iou: float,
) -> NDArray[np.intp]:
    """Indices of the answers that no better one of the same head stands before, best first.

    Args:
        boxes_xyxy: (n, 4) px.
        landmarks: (n, 5, 2) px.
        scores: (n,) floats.
        iou: see `same_head`.
    """
    rest = np.argsort(-scores, kind="stable")
    kept = []
    # Head by head: the answers are many, a hundred around a large face, and the heads few.
    while len(rest):
        best, rest = rest[:1], rest[1:]
        kept.append(best)
        pairs = boxes_xyxy[best], landmarks[best], boxes_xyxy[rest], landmarks[rest]
        rest = rest[~same_head(*pairs, iou)[0]]
    return np.concatenate(kept) if kept else rest


def join_looks(
    found: Sequence[tuple[Look, Sequence[Detection]]],
    iou: float,
    frame_wh: tuple[int, int] | None = None,
) -> list[Detection]:
    """The faces of one picture from several looks at it, best score first.

    A tile's answer that is cut off by its edge is left to the tile beside it, or to the coarser
    look. An unsure answer that another look should have given too, and did not, is dropped, and so
    is one on which upright and turned looks do not agree. Of the answers for one head, that of the
    look which sees it in the best size stays, with the best score of all.

    Args:
        found: looks and the faces that each found, in pixels of the picture.
        iou: see `same_head`.
        frame_wh: width and height of the picture; None: as far as the looks reach.
    """
    if len(found) == 1 and found[0][0].whole and not found[0][0].quarter_turns:
        return list(found[0][1])
    frame_wh = frame_wh or _reach_wh([look for look, _ in found])
    answers = [
        (place, face)
        for place, (look, faces) in enumerate(found)
        for face in faces
        if look.whole or not _is_cut(look, face, frame_wh)
    ]
    if not answers:
        return []
    boxes = np.stack([face.box_xyxy for _, face in answers])
    landmarks = np.stack([face.landmarks for _, face in answers])
    scores = np.array([face.score for _, face in answers])
    owners = np.array([place for place, _ in answers])
    looks = [look for look, _ in found]
    same = same_head(boxes, landmarks, boxes, landmarks, iou)
    believed = scores >= _BELIEVED_SCORE
    believed |= ~_contradicted(looks, owners, boxes, same)
    believed &= (scores >= _TURNED_SCORE) | _agreed_on(looks, owners, landmarks, same)
    turned = np.array([look.quarter_turns != 0 for look in looks])[owners]
    ranks = scores - np.array([_misfit(looks[p], f) for p, f in answers]) - _TURNED_LOSS * turned
    if turned.any():  # a look in which a face stands upright places it better
        stands = np.array([looks[p].shows_upright(f.landmarks[None])[0] for p, f in answers])
        ranks -= _LEANING_LOSS * ~stands
    kept = np.flatnonzero(believed)
    best = kept[non_maximum_suppression(boxes[kept], landmarks[kept], ranks[kept], iou)]
    joined = [
        replace(answers[i][1], score=float(scores[same[i] & believed].max())) for i in best.tolist()
    ]
    return sorted(joined, key=lambda face: -face.score)


def unsure_of(face: Detection, coarser: Look) -> bool:
    """Whether an answer is one that a coarser look, which did not give it, should have given."""
    seen = coarser.sees(face.box_xyxy[None], _CONTRADICTING_PX)
    return face.score < _BELIEVED_SCORE and bool(seen[0])


def _contradicted(
    looks: Sequence[Look], owners: NDArray[np.intp], boxes: FloatArray, same: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which answers a better placed look should have given too, and did not."""
    contradicted = np.zeros(len(boxes), dtype=bool)
    for place, look in enumerate(looks):
        agrees = (same & (owners == place)[None, :]).any(axis=1)
        coarser = np.array([look.scale < looks[owner].scale for owner in owners])
        sees = np.where(coarser, look.sees(boxes, _CONTRADICTING_PX), look.sees(boxes))
        sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) * look.scale
        # Two looks at the whole picture are for faces of different sizes; neither knows better.
        heard = np.array([not (look.whole and looks[owner].whole) for owner in owners])
        contradicted |= (owners != place) & heard & sees & (sides <= LARGEST_PX) & ~agrees
    return contradicted


def _agreed_on(
    looks: Sequence[Look], owners: NDArray[np.intp], landmarks: FloatArray, same: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which answers no other look speaks against by its silence, where some are turned.

    An upright look sees whatever a turned one does, if not well; and in which look a face is
    upright, that one sees it best.
    """
    turns = np.array([look.quarter_turns for look in looks])[owners]
    agreed = (turns == 0) | (same & (turns == 0)[None, :]).any(axis=1)
    for look in looks:
        if look.quarter_turns:
            agrees = (same & (turns == look.quarter_turns)[None, :]).any(axis=1)
            agreed &= agrees | ~look.shows_upright(landmarks)
    return np.asarray(agreed, dtype=bool)


def _reach_wh(looks: Sequence[Look]) -> tuple[int, int]:
    return (
        max(look.region_xyxy[2] for look in looks),
        max(look.region_xyxy[3] for look in looks),
    )


def _is_cut(look: Look, face: Detection, frame_wh: tuple[int, int]) -> bool:
    """Whether a face reaches an edge of a tile that is not one of the picture."""
    left, top, right, bottom = look.region_xyxy
    x1, y1, x2, y2 = face.box_xyxy.tolist()
    margin = _EDGE_PX / look.scale
    return (
        (x1 < left + margin and left > 0)
        or (y1 < top + margin and top > 0)
        or (x2 > right - margin and right < frame_wh[0])
        or (y2 > bottom - margin and bottom < frame_wh[1])
    )


def _misfit(look: Look, face: Detection) -> float:
    """How much less an answer counts because the face is too small or too large for the look."""
    side = float((face.box_xyxy[2:] - face.box_xyxy[:2]).max()) * look.scale
    doublings = abs(math.log2(max(side, 1.0) / _BEST_PX))
    return _SCORE_OF_A_DOUBLING * max(doublings - 1.0, 0.0)
