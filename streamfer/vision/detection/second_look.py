"""A second look at half the size, for large faces.

CenterFace answers from a single map with cells of four pixels, and the larger a face, the less sure
it is. Of 60 of FER2013's training faces, each alone in a picture of 640 × 480, it gave a score of
0.5 to 98 % when they were 128 px large, to 92 % at 224 px and to 78 % at 320 px; at half the size,
to 100, 95 and 93 %. A second look costs a quarter of the first, and is taken only where the first
found nothing, or a large face of which it was unsure.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamfer.types import Detection
from streamfer.vision.detection.search_plan import Look, SearchPlan

_LARGE_PX = 64
"""Longer side of a face, in pixels of the first look's input, from which on it is large. Smaller
ones are too small for the second look."""
_SURE_SCORE = 0.7


def wants_half(plan: SearchPlan, found: Sequence[tuple[Look, Sequence[Detection]]]) -> bool:
    """Whether a picture is to be looked at again in half the configured size.

    Args:
        plan: the looks at it that there are.
        found: looks that were taken, and what each found.
    """
    if len(plan.whole) < 2 or any(look == plan.whole[1] for look, _ in found):
        return False
    return any(look == plan.base and leaves_doubt(faces, look.scale) for look, faces in found)


def leaves_doubt(faces: Sequence[Detection], scale: float) -> bool:
    """Whether a look calls for another one at half the size.

    Args:
        faces: what it found in a picture.
        scale: pixels of its input per pixel of the picture.
    """
    return not faces or any(f.score < _SURE_SCORE for f in faces if _is_large(f, scale))


def _is_large(face: Detection, scale: float) -> bool:
    return float((face.box_xyxy[2:] - face.box_xyxy[:2]).max()) * scale >= _LARGE_PX
