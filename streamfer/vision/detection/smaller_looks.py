"""Further looks at half the size and at half of that, for large faces.

CenterFace answers from a single map with cells of four pixels, and the larger a face, the less sure
it is. Of 60 of FER2013's training faces, each alone in a picture of 640 × 480, it gave a score of
0.5 to 98 % when they were 128 px large, to 92 % at 224 px and to 78 % at 320 px; at half the size,
to 100, 95 and 93 %. Of 3,600 of them, 160 px large in H.264, the sizes together find 98.6 %, the
first two 98.25 %: what is missed leans, looks aside or hides behind hands. Each look costs a
quarter of the one before, and is taken only where that found nothing, or a large face of which it
was unsure.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from streamfer.types import Detection
from streamfer.vision.detection.search_plan import Look, SearchPlan

_LARGE_PX = 64
"""Longer side of a face, in pixels of a look's input, from which on it is large. Smaller ones are
too small for the next look."""
_SURE_SCORE = 0.7


def smaller_look(
    plan: SearchPlan, found: Sequence[tuple[Look, Sequence[Detection]]]
) -> Look | None:
    """The look at the whole picture, smaller than those taken, that it takes to be sure.

    Args:
        plan: the looks at it that there are.
        found: looks that were taken, and what each found.

    Returns:
        None where none is called for, or the picture wasn't looked at in the configured size.
    """
    faces_of = {look: faces for look, faces in found if look in plan.whole}
    for look, smaller in pairwise(plan.whole):
        if look not in faces_of or not leaves_doubt(faces_of[look], look.scale):
            return None
        if smaller not in faces_of:
            return smaller
    return None


def leaves_doubt(faces: Sequence[Detection], scale: float) -> bool:
    """Whether a look calls for another one at half the size.

    Args:
        faces: what it found in a picture.
        scale: pixels of its input per pixel of the picture.
    """
    return not faces or any(f.score < _SURE_SCORE for f in faces if _is_large(f, scale))


def _is_large(face: Detection, scale: float) -> bool:
    return float((face.box_xyxy[2:] - face.box_xyxy[:2]).max()) * scale >= _LARGE_PX
