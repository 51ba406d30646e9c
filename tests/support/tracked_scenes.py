from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from streamfer.tracking.tracker import TrackedFace
from streamfer.types import Detection, UInt8Array
from tests.support.scenes import Person, Pose, Scene, SceneFrame, play


def frames_of(*paths: Callable[[float], Pose | None], seconds: float = 1.0) -> list[SceneFrame]:
    return list(play(Scene([Person(i, path) for i, path in enumerate(paths)], seconds)))


def still(t: float) -> Pose:
    return Pose(200, 130)


def truth(frame: SceneFrame, score: float = 0.9) -> list[Detection]:
    return [Detection(d.box_xyxy, score, d.landmarks) for d in frame.truth.values()]


def numbers(faces: Sequence[TrackedFace]) -> list[int]:
    return [face.track_id for face in faces]


def blank(like: UInt8Array, seed: int = 0) -> UInt8Array:
    """A picture that has nothing in common with the one before."""
    return np.random.default_rng(seed).integers(0, 256, like.shape, dtype=np.uint8)


MOTIONS: dict[str, Callable[[float], Pose]] = {
    "still": still,
    "slow": lambda t: Pose(150 + 60 * t, 120 + 30 * t),
    "quick": lambda t: Pose(80 + 400 * t, 130),
    "near": lambda t: Pose(220, 130, width=50 * 1.4**t),
    "tilting": lambda t: Pose(220, 130, angle=0.8 * math.sin(3 * t)),
    "all at once": lambda t: Pose(100 + 150 * t, 120, width=60 + 20 * t, angle=0.4 * t),
}
