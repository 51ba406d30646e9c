"""A second look at half the size, for large faces.

CenterFace answers from a single map with cells of four pixels, and the larger a face, the less sure
it is. Of 60 of FER2013's training faces, each alone in a picture of 640 × 480, it gave a score of
0.5 to 98 % when they were 128 px large, to 92 % at 224 px and to 78 % at 320 px; at half the size,
to 100, 95 and 93 %. A second look costs a quarter of the first, and is taken only where the first
found nothing, or a large face of which it was unsure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamfer.geometry import box_iou
from streamfer.types import Detection, FloatArray

_LARGE_PX = 64
"""Longer side of a face, in pixels of the first look's input, from which on it is large. Smaller
ones are too small for the second look."""
_SURE_SCORE = 0.7
_SMALLEST_INPUT_PX = 128
"""A picture is not looked at in a smaller size."""
_STRIDE = 32


def second_size(network_wh: tuple[int, int]) -> tuple[int, int] | None:
    """(width, height) of the second look's input, given the first's; None where it is too small."""
    width, height = (max(side // 2 // _STRIDE, 1) * _STRIDE for side in network_wh)
    return (width, height) if max(width, height) >= _SMALLEST_INPUT_PX else None


def leaves_doubt(faces: Sequence[Detection], scale: float) -> bool:
    """Whether the first look calls for a second one.

    Args:
        faces: what it found in a picture.
        scale: pixels of its input per pixel of the picture.
    """
    return not faces or any(f.score < _SURE_SCORE for f in faces if _is_large(f, scale))


def join_looks(
    first: Sequence[Detection], second: Sequence[Detection], scale: float, same_iou: float
) -> list[Detection]:
    """The faces of both looks, best score first.

    Of a large face the second look knows better where it is: its answer stays, with the better of
    the two scores.

    Args:
        first: faces of a picture.
        second: faces of the same picture at half the size.
        scale: pixels of the first look's input per pixel of the picture.
        same_iou: boxes that overlap by more than this are of the same face.
    """
    large = [face for face in second if _is_large(face, scale)]
    if not first or not large:
        return [*first, *large]
    same = box_iou(_boxes(large), _boxes(first)) > same_iou
    joined = [
        replace(
            face, score=max([face.score, *(first[i].score for i in np.flatnonzero(row).tolist())])
        )
        for face, row in zip(large, same, strict=True)
    ]
    joined += [first[i] for i in np.flatnonzero(~same.any(axis=0)).tolist()]
    return sorted(joined, key=lambda face: -face.score)


def _boxes(faces: Sequence[Detection]) -> FloatArray:
    return np.array([face.box_xyxy for face in faces], dtype=np.float32)


def _is_large(face: Detection, scale: float) -> bool:
    return float((face.box_xyxy[2:] - face.box_xyxy[:2]).max()) * scale >= _LARGE_PX
