"""The public-domain portrait of an astronaut (NASA) that scikit-image carries."""

from __future__ import annotations

from importlib import resources

import cv2
import numpy as np

from streamfer.types import UInt8Array


def astronaut() -> UInt8Array:
    """`skimage.data.astronaut()`, (512, 512, 3) uint8 RGB, without loading what else is there."""
    packed = (resources.files("skimage") / "data" / "astronaut.png").read_bytes()
    picture = cv2.imdecode(np.frombuffer(packed, dtype=np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
