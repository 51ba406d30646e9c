"""Live sources on a real HTTP server: MJPEG, playlists, and what a playlist must not do."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from streamfer.errors import SourceError
from streamfer.media.sources.endpoint import LiveConfig, network_endpoint
from streamfer.media.sources.live import LiveSource
from streamfer.types import UInt8Array
from tests.support.certificate import make_certificate
from tests.support.clock_pattern import draw_number, read_number
from tests.support.http_server import Answer, encoded, http_server, mjpeg
from tests.support.live import Recorder

NEVER_AGAIN = LiveConfig(max_reconnects=0)
PLAYLIST = "application/vnd.apple.mpegurl"


def live_source(
    url: str, recorder: Recorder | None = None, config: LiveConfig = NEVER_AGAIN
) -> LiveSource:
    callbacks = (recorder or Recorder()).callbacks()
    return LiveSource("cam", network_endpoint(url, config), callbacks, config)


def pictures(count: int | None = None) -> Iterator[UInt8Array]:
    numbers = itertools.count() if count is None else range(count)
    return (draw_number(number, 320, 192) for number in numbers)


def segment(count: int) -> bytes:
    """An MPEG transport stream of numbered pictures, 25 per second."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for picture in pictures(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def playlist(address: str, *, ended: bool = True) -> Answer:
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", "#EXTINF:0.4,", address]
    lines += ["#EXT-X-ENDLIST"] if ended else []
    return Answer("\n".join(lines).encode() + b"\n", PLAYLIST)


def test_mjpeg_pictures_come_in_order_with_the_time_of_their_arrival() -> None:
    recorder = Recorder()
    with http_server({"/cam.mjpg": mjpeg(pictures)}) as base:
        stream = live_source(f"{base}/cam.mjpg", recorder).frames()
        frames = [next(stream) for _ in range(10)]
        stream.close()
    numbers = [read_number(frame.picture.to_rgb()) for frame in frames]
    assert None not in numbers
    assert numbers == sorted(set(numbers))
    times = [frame.time_s for frame in frames]
    arrivals = [frame.decoded_at_s - frames[0].decoded_at_s for frame in frames]
    assert times == pytest.approx(arrivals, abs=0.005)
    assert recorder.events[0].details["codec"] == "mjpeg"


@pytest.mark.parametrize(
    "odd",
    [
        {"boundary": "frame\r\n"},
        {"boundary": "frame\r\n", "declares_length": False},
        {"begins_with_boundary": False},
        {"begins_with_boundary": False, "declares_length": False},
        {"boundary": "--another\r\n"},
        {"boundary": "\r\n", "declares_length": False},
    ],
)
def test_mjpeg_whose_boundaries_are_not_as_they_should_be(odd: dict[str, Any]) -> None:
    with http_server({"/cam.mjpg": mjpeg(pictures, **odd)}) as base:
        stream = live_source(f"{base}/cam.mjpg").frames()
        frames = [next(stream) for _ in range(6)]
        stream.close()
    assert [read_number(frame.picture.to_rgb()) for frame in frames] == list(range(6))
    times = [frame.time_s for frame in frames]
    arrivals = [frame.decoded_at_s - frames[0].decoded_at_s for frame in frames]
    assert times == pytest.approx(arrivals, abs=0.005)


@pytest.mark.parametrize("declares_length", [True, False])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP"])
@pytest.mark.parametrize("name", ["/now.{}", "/snapshot.cgi"])
def test_the_address_of_a_picture_is_one_picture(
    name: str, kind: str, declares_length: bool
) -> None:
    content = encoded(draw_number(5, 320, 192), kind)
    recorder = Recorder()
    path = name.format(kind.lower())
    with http_server({path: Answer(content if declares_length else lambda: [content])}) as base:
        frames = list(live_source(base + path, recorder).frames())
    assert [read_number(frame.picture.to_rgb()) for frame in frames] == [5]
    assert recorder.event_kinds() == ["opened"]


def test_jpegs_behind_each_other_that_break_off_after_one_are_no_picture() -> None:
    counts = iter([2, 1, 1])
    answer = Answer(lambda: (encoded(picture) for picture in pictures(next(counts))))
    recorder = Recorder()
    config = LiveConfig(backoff_min_s=0.0, backoff_max_s=0.0)
    with http_server({"/cam": answer}) as base:
        stream = live_source(f"{base}/cam", recorder, config).frames()
        frames = [next(stream) for _ in range(4)]
        stream.close()
    assert [read_number(frame.picture.to_rgb()) for frame in frames] == [0, 1, 0, 0]
    assert recorder.event_kinds()[:3] == ["opened", "disconnected", "reconnected"]


def test_a_camera_that_hangs_up_is_called_again() -> None:
    recorder = Recorder()
    config = LiveConfig(backoff_min_s=0.0, backoff_max_s=0.0)
    with http_server({"/cam.mjpg": mjpeg(lambda: pictures(5))}) as base:
        stream = live_source(f"{base}/cam.mjpg", recorder, config).frames()
        frames = [next(stream) for _ in range(12)]
        stream.close()
    assert recorder.event_kinds()[:3] == ["opened", "disconnected", "reconnected"]
    times = [frame.time_s for frame in frames]
    assert times == sorted(set(times))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(status=401), "refuses the user name and password"),
        (Answer(status=403), "forbids access"),
        (Answer(status=404), "no such stream"),
        (Answer(status=500), "cannot be reached"),
        (Answer(b"<html>" + b"hello " * 1000, "text/html"), "not a video stream"),
        (Answer(b""), "cannot be reached|not a video stream"),
    ],
)
def test_answers_that_are_no_video_are_told_apart(answer: Answer, message: str) -> None:
    with http_server({"/cam": answer}) as base:
        url = base.replace("://", "://u:hunter2@") + "/cam?token=hunter2"
        with pytest.raises(SourceError, match=message) as caught:
            next(live_source(url).frames())
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_certificates_are_verified(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with http_server({"/cam": mjpeg(pictures)}, certificate) as base:
        with pytest.raises(SourceError, match="certificate not trusted"):
            next(live_source(f"{base}/cam").frames())
        for settings in ({"tls_ca": certificate[0]}, {"tls_verify": False}):
            config = LiveConfig(max_reconnects=0, **settings)
            stream = live_source(f"{base}/cam", config=config).frames()
            next(stream)
            stream.close()


def test_a_finished_playlist_is_played_at_its_own_pace_and_ends() -> None:
    recorder = Recorder()
    answers = {"/v.m3u8": playlist("one.ts"), "/one.ts": Answer(segment(10), "video/mp2t")}
    with http_server(answers) as base:
        frames = list(live_source(f"{base}/v.m3u8", recorder).frames())
    assert [read_number(frame.picture.to_rgb()) for frame in frames] == list(range(10))
    assert frames[-1].time_s == pytest.approx(0.36)
    assert frames[-1].decoded_at_s - frames[0].decoded_at_s > 0.3  # not a burst
    assert recorder.event_kinds() == ["opened"]


@pytest.mark.parametrize("ended", [True, False])
def test_a_playlist_cannot_read_local_files(tmp_path: Path, ended: bool) -> None:
    secret = tmp_path / "secret.ts"
    secret.write_bytes(segment(10))
    answers = {"/v.m3u8": playlist(f"file://{secret}", ended=ended)}
    config = LiveConfig(max_reconnects=0, open_timeout_s=1.0)
    with http_server(answers) as base, pytest.raises(SourceError):
        next(live_source(f"{base}/v.m3u8", config=config).frames())


def test_a_concatenation_script_cannot_read_local_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret.ts"
    secret.write_bytes(segment(10))
    script = f"ffconcat version 1.0\nfile 'file:{secret}'\n"
    answers = {"/v.ffconcat": Answer(script.encode())}
    with http_server(answers) as base, pytest.raises(SourceError):
        next(live_source(f"{base}/v.ffconcat").frames())
