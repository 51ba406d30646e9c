"""What is drawn of each face in each frame, and which code draws it best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from streamfer.types import FaceResult, FloatArray, Frame, UInt8Array

Imagine = Callable[[FaceResult, FloatArray], tuple[str, FloatArray] | None]
"""From a face with what is known of it and its code (num_ws, w_dim): as what it is imagined, and
the code of that; None to leave it as it is."""


class Drawer(Protocol):
    """Draws faces from codes. Used by one thread at a time."""

    def draw(self, codes: FloatArray) -> UInt8Array:
        """(n, num_ws, w_dim) float32 codes → (n, S, S) uint8 gray, of the aligned crops' size.

        Raises:
            EngineError: the network failed.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class CodedFace:
    """A face of a frame that has a code."""

    face: FaceResult
    """What else is known of it."""
    frame: Frame
    crop: UInt8Array = field(repr=False)
    """(S, S) uint8 gray, or (S, S, 3) uint8 RGB."""
    encoded: FloatArray = field(repr=False)
    """(num_ws, w_dim) float32: the encoder's estimate."""


def drawing_error(crop: UInt8Array, picture: UInt8Array) -> float:
    """Pixel MSE on a [0, 1] scale.

    Args:
        crop: (S, S) uint8.
        picture: the same.
    """
    difference = crop.astype(np.int32) - picture
    return float(np.mean(difference * difference)) / 255**2
