"""Where a face will be: a constant-velocity Kalman filter on real time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streamfer.types import FloatArray

_VELOCITY_MEMORY_S = 0.4
"""Time constant with which an unobserved velocity fades: heads turn back, they do not fly on."""
_ACCELERATION = np.array([3.0, 3.0, 0.7, 0.7])
"""Spectral density of the acceleration of centre and size, in face sizes per s^1.5."""
_FIRST_SPEED = np.array([2.0, 2.0, 0.5, 0.5])
"""Standard deviation of the velocity of a face seen once, in face sizes per s."""


class BoxFilter:
    """Kalman filter of one box: centre x, centre y, width, height and their velocities.

    The four coordinates are independent, so the covariance is four 2×2 matrices, kept as their
    three distinct entries. Velocities decay as an Ornstein–Uhlenbeck process, which keeps a
    prediction over a second or two near the face. Noise scales with the face's size.

    Args:
        box_xyxy: (4,) px, the first observation.
        noise: its standard deviation as a fraction of the face's size.
    """

    def __init__(self, box_xyxy: FloatArray, noise: float) -> None:
        self._position = _to_centre(box_xyxy)
        self._velocity = np.zeros(4)
        size = self._size()
        self._pp = np.full(4, (noise * size) ** 2)
        self._pv = np.zeros(4)
        self._vv = (_FIRST_SPEED * size) ** 2

    @property
    def box_xyxy(self) -> FloatArray:
        """(4,) float32 px, the current estimate."""
        x, y, w, h = self._position.tolist()
        return np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2], dtype=np.float32)

    @property
    def speed(self) -> float:
        """Speed of the centre in face sizes per second."""
        return math.hypot(*self._velocity[:2].tolist()) / self._size()

    def predict(self, dt_s: float) -> None:
        """Moves the estimate `dt_s` ≥ 0 seconds on."""
        decay = math.exp(-dt_s / _VELOCITY_MEMORY_S)
        reach = _VELOCITY_MEMORY_S * (1 - decay)
        self._position += reach * self._velocity
        self._position[2:] = np.maximum(self._position[2:], 1.0)
        self._velocity *= decay
        density = (_ACCELERATION * self._size()) ** 2
        self._pp += reach * (2 * self._pv + reach * self._vv) + density * (dt_s**3 / 3)
        self._pv = decay * (self._pv + reach * self._vv) + density * (dt_s**2 / 2)
        self._vv = decay**2 * self._vv + density * dt_s

    def correct(self, box_xyxy: FloatArray, noise: float) -> None:
        """Takes in an observed box, (4,) px, with a noise as in the constructor."""
        innovation = _to_centre(box_xyxy) - self._position
        total = self._pp + (noise * self._size()) ** 2
        gain, velocity_gain = self._pp / total, self._pv / total
        self._position += gain * innovation
        self._position[2:] = np.maximum(self._position[2:], 1.0)
        self._velocity += velocity_gain * innovation
        self._vv -= velocity_gain * self._pv
        self._pv *= 1 - gain
        self._pp *= 1 - gain

    def stretch(self, x: float, y: float) -> None:
        """Follows a change of picture size by the factors `x` and `y`."""
        factors = np.array([x, y, x, y])
        self._position *= factors
        self._velocity *= factors
        self._pp *= factors**2
        self._pv *= factors**2
        self._vv *= factors**2

    def _size(self) -> float:
        return math.sqrt(float(self._position[2] * self._position[3]))


def _to_centre(box_xyxy: FloatArray) -> NDArray[np.float64]:
    x1, y1, x2, y2 = box_xyxy.tolist()
    return np.array([(x1 + x2) / 2, (y1 + y2) / 2, max(x2 - x1, 1.0), max(y2 - y1, 1.0)])
