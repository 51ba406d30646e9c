"""How many frames a second an encoder is told of, and how long one lasts."""

from __future__ import annotations

from fractions import Fraction

from streamfer.types import StreamInfo

_DEFAULT_FRAME_RATE = Fraction(30)
"""Frames/s told to the encoder where the source declares none."""


def frame_s(rate: Fraction, time_base: Fraction) -> Fraction:
    """How long one frame lasts, in whole ticks."""
    return max(1, round(1 / (rate * time_base))) * time_base


def nominal_rate(info: StreamInfo) -> Fraction:
    """Frames/s that the encoder is told, and one frame of which a gap that is closed lasts."""
    if not info.frame_rate or not 0.01 < info.frame_rate < 1000:
        return _DEFAULT_FRAME_RATE
    return Fraction(info.frame_rate).limit_denominator(1001)
