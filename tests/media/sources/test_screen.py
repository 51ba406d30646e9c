from __future__ import annotations

import cv2
import psutil
import pytest

from streamfer.errors import SourceError
from streamfer.media.sources.live import LiveSource
from streamfer.media.sources.screen import screen_endpoint
from tests.support.live import Recorder
from tests.support.xvfb import virtual_display


def test_a_desktop_is_a_live_stream() -> None:
    # OpenCV shares X11 libraries with PyAV: loaded first, it once made capturing crash.
    assert cv2.__version__
    recorder = Recorder()
    with virtual_display(width=320, height=240) as display:
        stream = LiveSource("screen", screen_endpoint(display), recorder.callbacks()).frames()
        frames = [next(stream) for _ in range(4)]
        stream.close()
    assert frames[0].picture.to_rgb().shape == (240, 320, 3)
    times = [frame.time_s for frame in frames]
    assert times[0] == 0.0
    assert times == sorted(set(times))
    assert times[-1] < 60  # seconds since the first picture, not since 1970


def test_without_a_display_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    source = LiveSource("screen", screen_endpoint(""), Recorder().callbacks())
    with pytest.raises(SourceError, match=r"^screen:: there is no display: DISPLAY is not set$"):
        next(source.frames())


def test_a_display_that_does_not_exist_is_named() -> None:
    source = LiveSource("screen", screen_endpoint(":4711"), Recorder().callbacks())
    with pytest.raises(SourceError, match="cannot open display :4711"):
        next(source.frames())


def test_the_capturing_program_ends_with_its_reader() -> None:
    with virtual_display(width=320, height=240) as display:
        before = set(psutil.Process().children())
        stream = LiveSource("screen", screen_endpoint(display), Recorder().callbacks()).frames()
        next(stream)
        started = set(psutil.Process().children()) - before
        stream.close()
        assert len(started) == 1
        assert not any(process.is_running() for process in started)
