"""Results written by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfer.labels import LABELS
from streamfer.types import Detection, FaceResult, FloatArray, FrameResult


def probabilities(emotion: str, top: float = 0.7) -> FloatArray:
    """(7,) with `top` for one label and the rest shared by the others."""
    probs = np.full(len(LABELS), (1 - top) / (len(LABELS) - 1), dtype=np.float32)
    probs[LABELS.index(emotion)] = top
    return probs


def detection(x: float = 100, y: float = 80, size: float = 60, score: float = 0.9) -> Detection:
    """A frontal face whose box has its top left corner at (x, y)."""
    landmarks = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    return Detection(
        box_xyxy=np.array([x, y, x + size, y + size], dtype=np.float32),
        score=score,
        landmarks=(landmarks * size + [x, y]).astype(np.float32),
    )


def face_result(track_id: int = 1, emotion: str = "happy", **place: float) -> FaceResult:
    """A face with that answer."""
    probs = probabilities(emotion)
    return FaceResult(
        track_id=track_id,
        detection=detection(**place),
        detected=True,
        emotion=emotion,
        probs=probs,
        smoothed=probs,
    )


def assert_same_faces(
    ours: Sequence[Detection], theirs: Sequence[Detection], atol_px: float, atol_score: float = 0.01
) -> None:
    """Holds two lists of faces, both in the same order, against each other."""
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.box_xyxy, b.box_xyxy, atol=atol_px)
        np.testing.assert_allclose(a.landmarks, b.landmarks, atol=atol_px)
        np.testing.assert_allclose(a.score, b.score, atol=atol_score)


def assert_same_results(
    ours: Sequence[FrameResult],
    theirs: Sequence[FrameResult],
    *,
    atol_px: float,
    atol_probs: float,
) -> None:
    """Holds two analyses of the same frames against each other."""
    for a, b in zip(ours, theirs, strict=True):
        assert [f.track_id for f in a.faces] == [f.track_id for f in b.faces]
        assert [f.detected for f in a.faces] == [f.detected for f in b.faces]
        assert_same_faces([f.detection for f in a.faces], [f.detection for f in b.faces], atol_px)
        for left, right in zip(a.faces, b.faces, strict=True):
            np.testing.assert_allclose(left.probs, right.probs, atol=atol_probs)
            np.testing.assert_allclose(left.smoothed, right.smoothed, atol=atol_probs)
