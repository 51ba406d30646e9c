"""Whether a picture is unchanged away from what the overlay draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfer.fields import FACE_FIELDS
from streamfer.labels import LABELS
from streamfer.types import Detection, FaceResult, UInt8Array
from streamfer.vision.overlay.drawing import Rect
from streamfer.vision.overlay.overlay import Overlay, StripInfo

_BLOCK_PX = 8
"""Means over squares of this side hide H.264's grain but nothing that was moved or drawn."""
_LARGEST_CHANGE = 24
"""Change of a block's mean, 0–255 in any channel, beyond which it is not compression."""
_CHANGED_SHARE = 0.03
"""Share of blocks away from the overlay that may change by more, for edges in fast motion."""
_CHANGED_SHARE_UNKNOWN = 0.6
"""The same where the faces are not known, so that the overlay may be anywhere."""
_MARGIN_PX = 8
"""Around what is drawn: compression smears that far."""
_OWN_FIELDS = {field.spec.name for field in FACE_FIELDS}
_NO_PICTURE: UInt8Array = np.zeros((1, 1), dtype=np.uint8)
"""For a face that was drawn: records hold no pictures."""


class PictureCheck:
    """Compares the pictures of one stream, in order.

    It draws the overlay that the records imply to learn which rectangles the run has drawn in.

    Args:
        stream: its name.
        knows_faces: whether `compare` is told every frame's faces.
        padded: whether odd sizes are made even, as video wants them.
        covered: whether faces were covered, wherever they were; then sizes alone are compared.
    """

    def __init__(
        self, stream: str, knows_faces: bool, padded: bool = True, *, covered: bool = False
    ) -> None:
        self._padded = padded
        self._covered = covered
        self._overlay = Overlay()
        self._strip = StripInfo(stream, time_s=0.0, fps=0.0, latency_ms=None, dropped=0)
        self._allowed_share = _CHANGED_SHARE if knows_faces else _CHANGED_SHARE_UNKNOWN

    def compare(
        self, before: UInt8Array, after: UInt8Array, faces: Sequence[Mapping[str, Any]]
    ) -> str | None:
        """Holds one annotated picture against its original.

        Args:
            before: (H, W, 3) uint8 RGB; it is drawn on.
            after: the same, or a pixel larger where the original's size is odd.
            faces: of the frame's record.

        Returns:
            What differs, or None.
        """
        height, width = before.shape[:2]
        expected = (width + width % 2, height + height % 2) if self._padded else (width, height)
        if (after.shape[1], after.shape[0]) != expected:
            return f"has {after.shape[1]}×{after.shape[0]} pixels, not {expected[0]}×{expected[1]}"
        if self._covered:
            return None
        original = _block_means(before)
        changes = np.abs(_block_means(after[:height, :width]) - original).max(axis=-1)
        drawn = self._overlay.draw(before, _faces_of_record(faces), self._strip)
        away = ~_covered_blocks(drawn, changes.shape)
        if not away.any():
            return None
        share = float((changes[away] > _LARGEST_CHANGE).mean())
        if share <= self._allowed_share:
            return None
        return f"differs from the input in {share:.0%} of the picture away from faces and strip"


def _block_means(image: UInt8Array) -> NDArray[np.float32]:
    """(ceil(H / block), ceil(W / block), 3) means."""
    height, width = image.shape[:2]
    size_wh = (-(-width // _BLOCK_PX), -(-height // _BLOCK_PX))
    return cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA).astype(np.float32)


def _covered_blocks(rects: Iterable[Rect], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    covered = np.zeros(shape, dtype=bool)
    for left, top, right, bottom in rects:
        low = np.maximum([left - _MARGIN_PX, top - _MARGIN_PX], 0) // _BLOCK_PX
        high = -(-np.maximum([right + _MARGIN_PX, bottom + _MARGIN_PX], 0) // _BLOCK_PX)
        covered[low[1] : high[1], low[0] : high[0]] = True
    return covered


def _faces_of_record(faces: Sequence[Mapping[str, Any]]) -> list[FaceResult]:
    """The faces that can be drawn; broken ones are reported by the check of the records."""
    drawable = []
    for face in faces:
        try:
            drawable.append(_face_of_record(face))
        except (KeyError, TypeError, ValueError):
            continue
    return drawable


def _face_of_record(face: Mapping[str, Any]) -> FaceResult:
    box = np.asarray(face["box"], dtype=np.float32).reshape(4)
    smoothed = np.asarray(face["smoothed"], dtype=np.float32).reshape(len(LABELS))
    if face["emotion"] not in LABELS or not np.isfinite(box).all():
        raise ValueError("no such face")
    return FaceResult(
        track_id=int(face["track"]),
        detection=Detection(box, float(face["score"]), np.zeros((5, 2), np.float32)),
        detected=True,
        emotion=face["emotion"],
        probs=smoothed,
        smoothed=smoothed,
        trust=None if face.get("trust") is None else float(face["trust"]),
        latent_kind=face.get("latent"),
        reconstruction=None if face.get("reconstruction_error") is None else _NO_PICTURE,
        extra={name: value for name, value in face.items() if name not in _OWN_FIELDS},
    )
