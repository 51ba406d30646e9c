"""Where a face's tag and panel go: beside it, on screen, and not over other faces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streamfer.vision.overlay.drawing import Rect

_FACE_WEIGHT = 6.0
"""What hiding a whole face costs."""
_COVER_WEIGHT = 3.0
"""What covering a whole tag or panel costs."""
_MOVE_COST = 0.25
"""What changing sides between two frames costs; for a smaller gain a panel stays where it is,
so that it does not flutter."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to place something, wherever the face is."""

    variant: int
    """Index of the variant, 0 the largest and best."""
    side: str
    """`right`, `left`, `below`, `above` or `inside`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A choice, where it comes to lie, and what speaks against it."""

    choice: Choice
    rect: Rect
    cost: float
    """What it costs in itself."""


def overlap(a: Rect, b: Rect) -> int:
    """Common area of two rectangles in px²."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0


def _area(rect: Rect) -> int:
    return max((rect[2] - rect[0]) * (rect[3] - rect[1]), 1)


def clamp_into(rect: Rect, area: Rect) -> Rect:
    """`rect` moved, not resized, into `area`; it must not be larger."""
    left = min(max(rect[0], area[0]), area[2] - (rect[2] - rect[0]))
    top = min(max(rect[1], area[1]), area[3] - (rect[3] - rect[1]))
    return left, top, left + rect[2] - rect[0], top + rect[3] - rect[1]


def fits(size_wh: tuple[int, int], area: Rect) -> bool:
    """Whether a size fits into an area at all."""
    return size_wh[0] <= area[2] - area[0] and size_wh[1] <= area[3] - area[1]


def panel_candidates(
    box: Rect, sizes_wh: Sequence[tuple[int, int]], area: Rect, gap: int
) -> list[Candidate]:
    """Every place for a panel around a face.

    Args:
        box: the face.
        sizes_wh: width and height of each variant, best first.
        area: where panels may be.
        gap: px between face and panel.
    """
    left, top, right, bottom = box
    candidates = []
    for variant, (width, height) in enumerate(sizes_wh):
        if not fits((width, height), area):
            continue
        middle = (left + right - width) // 2
        places = {
            "right": (right + gap, top, 0.0),
            "left": (left - gap - width, top, 0.02),
            "below": (middle, bottom + gap, 0.06),
            "above": (middle, top - gap - height, 0.08),
        }
        for side, (x, y, cost) in places.items():
            rect = clamp_into((x, y, x + width, y + height), area)
            candidates.append(Candidate(Choice(variant, side), rect, cost + 0.3 * variant))
    return candidates


def tag_candidates(box: Rect, sizes_wh: Sequence[tuple[int, int]], area: Rect) -> list[Candidate]:
    """Every place for a face's tag: on the box's top edge, under it, or inside its top."""
    left, top, _, bottom = box
    candidates = []
    for variant, (width, height) in enumerate(sizes_wh):
        if not fits((width, height), area):
            continue
        places = {"above": (top - height, 0.0), "below": (bottom, 0.3), "inside": (top, 0.4)}
        for side, (y, cost) in places.items():
            rect = clamp_into((left, y, left + width, y + height), area)
            candidates.append(Candidate(Choice(variant, side), rect, cost + 0.2 * variant))
    return candidates


def cheapest(
    candidates: Iterable[Candidate],
    faces: Sequence[Rect],
    others: Sequence[Rect],
    before: Choice | None,
) -> Candidate | None:
    """The candidate that hides least.

    Args:
        candidates: the possible places.
        faces: boxes that should stay visible.
        others: tags and panels already placed.
        before: what was chosen in the frame before.

    Returns:
        The best one; None of none.
    """
    best, best_cost = None, float("inf")
    for candidate in candidates:
        rect = candidate.rect
        # A small face may vanish under a large panel and a large face lose little to it, so what
        # counts of a face is the part of itself that is hidden.
        hidden = sum(overlap(rect, face) / _area(face) for face in faces)
        covered = sum(overlap(rect, other) / _area(other) for other in others)
        cost = candidate.cost + _FACE_WEIGHT * hidden + _COVER_WEIGHT * covered
        if before is not None and before != candidate.choice:
            cost += _MOVE_COST
        if cost < best_cost:
            best, best_cost = candidate, cost
    return best
