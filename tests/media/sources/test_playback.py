from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from streamfer.errors import ConfigError
from streamfer.media.sources.playback import ClipFrame, PlaybackOptions, Player
from streamfer.media.sources.source import PendingFrame
from streamfer.media.sources.timeline import Timeline
from streamfer.types import UInt8Array

MS = Fraction(1, 1000)


class Blank:
    def __init__(self, size_wh: tuple[int, int] = (8, 4)) -> None:
        self.size_wh = size_wh

    def to_rgb(self) -> UInt8Array:
        return np.zeros((self.size_wh[1], self.size_wh[0], 3), np.uint8)


class FakeTime:
    """A clock that moves only when somebody waits or works."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.waits_s: list[float] = []

    def clock(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        self.now_s += seconds


def clip(*pts: int | None, last_s: float = 0.04) -> Iterator[ClipFrame]:
    return (ClipFrame(p, last_s, Blank()) for p in pts)


def play(options: PlaybackOptions, *pts: int | None) -> list[PendingFrame]:
    player = Player(options, Timeline(MS, 0.04), lambda: 0.0, threading.Event())
    return list(player.frames(lambda _number: clip(*pts)))


VFR = (100, 140, 190, 191, 400)

CASES = {
    "all": (PlaybackOptions(), VFR, [100, 140, 190, 191, 400]),
    "first frames": (PlaybackOptions(max_frames=2), VFR, [100, 140]),
    "loop goes on after the last frame's duration": (
        PlaybackOptions(loop=2),
        (100, 140),
        [100, 140, 180, 220],
    ),
    "max_frames counts all rounds": (
        PlaybackOptions(loop=9, max_frames=3),
        (100, 140),
        [100, 140, 180],
    ),
    "duration ends before the frame that begins then": (
        PlaybackOptions(duration_s=0.09),
        VFR,
        [100, 140],
    ),
    "duration over a gap": (PlaybackOptions(duration_s=0.25), VFR, [100, 140, 190, 191]),
    "duration without PTS": (PlaybackOptions(duration_s=0.1), (None,) * 9, [0, 40, 80]),
    "duration over a reset": (
        PlaybackOptions(duration_s=0.2),
        (5000, 5040, 0, 40, 80, 120, 160),
        [5000, 5040, 5080, 5120, 5160],
    ),
    "duration of each round": (
        PlaybackOptions(duration_s=0.08, loop=2),
        VFR,
        [100, 140, 180, 220],
    ),
    "duration longer than the clip": (PlaybackOptions(duration_s=9.0), (0, 40), [0, 40]),
}


@pytest.mark.parametrize(("options", "pts", "expected"), CASES.values(), ids=CASES.keys())
def test_plays(options: PlaybackOptions, pts: tuple[int | None, ...], expected: list[int]) -> None:
    frames = play(options, *pts)
    assert [f.pts for f in frames] == expected
    assert [f.index for f in frames] == list(range(len(expected)))
    assert [f.time_s for f in frames] == pytest.approx([(p - expected[0]) / 1000 for p in expected])
    assert all(f.wall is None for f in frames)


def test_segment_counts_changes_of_size() -> None:
    sizes = [(8, 4), (8, 4), (4, 8), (4, 8), (8, 4)]
    frames = (ClipFrame(i, 0.04, Blank(size)) for i, size in enumerate(sizes))
    player = Player(PlaybackOptions(), Timeline(MS, 0.04), lambda: 0.0, threading.Event())
    assert [f.segment for f in player.frames(lambda _number: frames)] == [0, 0, 1, 1, 2]


def test_realtime_waits_until_each_frame_is_due() -> None:
    time = FakeTime()
    player = Player(
        PlaybackOptions(realtime=True, loop=2),
        Timeline(MS, 0.04),
        time.clock,
        threading.Event(),
        wait=time.wait,
    )
    frames = []
    for frame in player.frames(lambda _number: clip(500, 540, 700)):
        frames.append(frame)
        if frame.index == 1:
            time.now_s += 0.5  # slow consumer: the next frames are late, none is skipped
    assert time.waits_s == pytest.approx([0.04])
    assert [f.decoded_at_s for f in frames] == pytest.approx([100.0] + [100.04] + [100.54] * 4)
    assert all(f.wall is not None and f.wall.endswith("+00:00") for f in frames)


def test_realtime_wait_can_be_interrupted() -> None:
    stopped = threading.Event()
    player = Player(PlaybackOptions(realtime=True), Timeline(MS, 0.04), lambda: 0.0, stopped)
    frames = player.frames(lambda _number: clip(0, 3_600_000))
    next(frames)
    stopped.set()
    assert list(frames) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"start_s": -1.0}, "start must be"),
        ({"start_s": float("nan")}, "start must be"),
        ({"duration_s": 0.0}, "duration must be"),
        ({"max_frames": 0}, "max-frames must be"),
        ({"loop": 0}, "loop must be"),
    ],
)
def test_options_are_checked(values: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PlaybackOptions(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "duration_s", "frames", "expected"),
    [
        (PlaybackOptions(), 10.0, 250, 250),
        (PlaybackOptions(start_s=4.0, duration_s=2.0), 10.0, 250, 50),
        (PlaybackOptions(start_s=9.0, duration_s=2.0), 10.0, 250, 25),
        (PlaybackOptions(loop=3, max_frames=600), 10.0, 250, 600),
        (PlaybackOptions(loop=3), None, 1, 3),
        (PlaybackOptions(max_frames=7), None, None, 7),
        (PlaybackOptions(), None, None, None),
    ],
)
def test_expected_frames(
    options: PlaybackOptions, duration_s: float | None, frames: int | None, expected: int | None
) -> None:
    assert options.expected_frames(duration_s, frames) == expected
