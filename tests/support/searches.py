"""Pictures and boxes for what chooses where to look."""

from __future__ import annotations

import functools

import numpy as np

from streamfer.types import FloatArray, UInt8Array
from streamfer.vision.detection.search_plan import SearchPlan, plan_search

HD = plan_search(1920, 1080, 640, 2.0, 16)
NOBODY = np.empty((0, 4), dtype=np.float32)
NO_LEAN = np.empty(0, dtype=bool), np.empty(0, dtype=np.intp)
"""Of nobody: whether they are lost, and by how many quarters they lean."""


@functools.cache
def noise(plan: SearchPlan, seed: int) -> UInt8Array:
    """A picture of blocks; no two are alike."""
    width, height = plan.base.region_wh
    blocks = np.random.default_rng(seed).integers(0, 255, (height // 20, width // 20, 3), np.uint8)
    return np.repeat(np.repeat(blocks, 20, axis=0), 20, axis=1)


def boxes(*faces: tuple[float, float, float]) -> FloatArray:
    return np.array([(x, y, x + side, y + side) for x, y, side in faces], dtype=np.float32)
