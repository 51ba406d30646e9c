"""What the containers of annotated video can carry, and how they are written."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

from streamfer.media.sources.audio_clock import LARGEST_STEP

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""File name suffix to FFmpeg's name of the container."""

_LARGEST_TIMESCALE = 1_000_000
"""Ticks per second of an MP4 track are 32-bit, and so are durations counted in them."""


def carried_time_base(time_base: Fraction) -> Fraction:
    """The time base itself, or microseconds where it is too fine for MP4."""
    if time_base.denominator <= _LARGEST_TIMESCALE:
        return time_base
    return Fraction(1, _LARGEST_TIMESCALE)


def longest_gap_s(path: Path, time_base: Fraction, audio_rate: int | None) -> Fraction | None:
    """Seconds that may lie between two frames of a file; None: any number.

    MP4 and MOV count the duration of a frame, and of a piece of sound, in 31 bits of its track's
    ticks: 36 minutes of microseconds.

    Args:
        path: of the file.
        time_base: of the PTS given.
        audio_rate: samples per second of the sound beside it; None where there is none.
    """
    if CONTAINERS.get(path.suffix.lower(), "picture") in ("matroska", "picture"):
        return None
    return LARGEST_STEP / max(1 / carried_time_base(time_base), Fraction(audio_rate or 1))


def container_options(
    path: Path, indexed: bool, time_base: Fraction, audio_source: Any
) -> dict[str, str]:
    """FFmpeg's options for a file that can be played while it grows.

    Args:
        path: of the file.
        indexed: whether it becomes an ordinary MP4 or MOV with one index when it is closed.
        time_base: of the PTS.
        audio_source: PyAV stream of the sound beside it, or None.
    """
    # flush_packets: without it a killed run leaves what fits into the buffers, which is nothing.
    # max_interleave_delta, in µs: video never waits longer than this for sparse audio.
    options = {"flush_packets": "1", "max_interleave_delta": "100000"}
    if CONTAINERS[path.suffix.lower()] == "matroska":
        # avoid_negative_ts: audio that starts a little before 0 would move the video.
        return options | {"cluster_time_limit": "500", "avoid_negative_ts": "disabled"}
    # delay_moov: without it the edit list lacks the delay of B-frames and all PTS move by it.
    flags = "frag_keyframe+delay_moov" + ("+hybrid_fragmented" if indexed else "")
    # The edit list counts in the movie's ticks; the default, milliseconds, would round the start.
    ticks = time_base.denominator
    if audio_source is not None:
        ticks = math.lcm(ticks, audio_source.rate or 1)
    movie_timescale = ticks if ticks < 2**31 else time_base.denominator
    return options | {"movflags": flags, "movie_timescale": str(movie_timescale)}
