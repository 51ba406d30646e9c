"""Results of a made-up film, a frame at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from streamfer.types import FaceResult, Frame, FrameResult
from tests.support.results import face_result, probabilities

RATE = 10
"""Frames/s."""


def face(
    track: int, emotion: str = "happy", top: float = 0.9, trust: float | None = 0.9
) -> FaceResult:
    """A face with this answer of its track."""
    probs = probabilities(emotion, top)
    return replace(face_result(track, emotion), probs=probs, smoothed=probs, trust=trust)


def film(*scenes: tuple[float, list[FaceResult]], stream: str = "talk") -> Iterator[FrameResult]:
    """Frames of scenes, each of which lasts some seconds and shows some faces."""
    index = 0
    for seconds, faces in scenes:
        for _ in range(round(seconds * RATE)):
            image = np.zeros((180, 320, 3), dtype=np.uint8)
            frame = Frame(stream, index, index, Fraction(1, RATE), index / RATE, 0.0, image)
            yield FrameResult(frame, tuple(faces))
            index += 1
