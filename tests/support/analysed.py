"""Analysis results made by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from streamfer.labels import LABELS
from streamfer.types import Detection, FaceResult, Frame, FrameResult, UInt8Array


def make_frame(
    index: int,
    image: UInt8Array | None = None,
    pts: int | None = None,
    time_base: Fraction = Fraction(1, 25),
    stream: str = "talk",
    **changes: object,
) -> Frame:
    """A frame, black unless given, at 25 frames/s unless told otherwise."""
    pts = index if pts is None else pts
    fields = {
        "stream": stream,
        "index": index,
        "pts": pts,
        "time_base": time_base,
        "time_s": float(pts * time_base),
        "decoded_at_s": 0.0,
        "image": np.zeros((48, 64, 3), np.uint8) if image is None else image,
    }
    return Frame(**(fields | changes))  # type: ignore[arg-type]


def make_face(track_id: int = 1, **changes: object) -> FaceResult:
    """A face of 20 px at (10, 8), as happy as can be rounded badly."""
    probs = np.array([0.01, 0.02, 0.03, 0.7, 0.04, 0.1, 0.1], np.float32)
    box = np.array([10.126, 8, 30, 28], np.float32)
    landmarks = np.array([[15, 14], [25, 14], [20, 18], [16, 23], [24, 23.333]], np.float32)
    fields = {
        "track_id": track_id,
        "detection": Detection(box, 0.998, landmarks),
        "detected": True,
        "emotion": LABELS[3],
        "probs": probs,
        "smoothed": probs[[1, 0, 2, 3, 4, 5, 6]],
    }
    return FaceResult(**(fields | changes))  # type: ignore[arg-type]


def make_result(index: int, faces: int = 1, **frame_changes: object) -> FrameResult:
    """An analysed frame with so many faces."""
    frame = make_frame(index, **frame_changes)  # type: ignore[arg-type]
    return FrameResult(frame, tuple(make_face(i + 1) for i in range(faces)))
