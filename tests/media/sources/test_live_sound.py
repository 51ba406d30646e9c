"""Sound of live sources, into recordings and over the network."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamfer.media.sources.connection import Connection
from streamfer.media.sources.endpoint import Endpoint, LiveConfig
from streamfer.media.sources.live import LiveSource
from streamfer.media.sources.live_sound import LiveSound
from streamfer.media.video.writer import VideoWriter
from streamfer.types import Frame
from tests.support.clips import ClipSpec, make_clip
from tests.support.live import Recorder
from tests.support.written import audio_packets, frame_times

AT_ONCE = LiveConfig(backoff_min_s=0.0, backoff_max_s=0.0, refused_backoff_s=0.0)


class Endless(Connection):
    """A file whose end is a loss."""

    @property
    def finite(self) -> bool:
        return False


def recorded(path: Path, *clips: Path, frames: int) -> list[tuple[Frame, Fraction]]:
    """Plays clips, each as a connection of one live source, into a video with their sound.

    Returns:
        Each frame with its time in seconds.
    """
    sound = LiveSound()
    left = list(clips)

    def connect(endpoint: Endpoint, open_timeout_s: float, clock: object) -> Connection:
        played = Endpoint(str(left.pop(0)), "cam", ({},), sound=sound, read_timeout_s=60.0)
        return Endless(played, 60.0)

    endpoint = Endpoint("rtsp://cam", "cam", ({},), sound=sound)
    source = LiveSource("cam", endpoint, Recorder().callbacks(), AT_ONCE, connect=connect)
    info = source.open()
    written = []
    writer: VideoWriter | None = None
    for number, pending in enumerate(source.frames(), start=1):
        frame = pending.to_frame("cam", 0)
        if writer is None:
            writer = VideoWriter(path, info, audio=source.sound)
        writer.write(frame, frame.image)
        written.append((frame, frame.pts * frame.time_base))
        if number == frames:
            source.interrupt()
    assert writer is not None
    writer.close()
    return written


def talk(folder: Path, name: str = "talk.mp4", **changes: object) -> Path:
    spec = ClipSpec(frames=50, audio="aac", options={"g": "10"})
    return make_clip(folder / name, spec)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_recording_has_the_original_sound_in_step(tmp_path: Path, suffix: str) -> None:
    clip, path = talk(tmp_path), tmp_path / f"out{suffix}"
    recorded(path, clip, frames=50)
    assert len(frame_times(path)) == 50
    heard, original = audio_packets(path), audio_packets(clip)
    sent = dict(reversed([(content, time_s) for time_s, content in original]))
    assert len(heard) > 40
    for time_s, content in heard[1:]:
        assert abs(time_s - sent[content]) < Fraction(20, 1000)


def test_after_a_break_the_sound_goes_on_with_its_video(tmp_path: Path) -> None:
    clip, path = talk(tmp_path), tmp_path / "out.mkv"
    written = recorded(path, clip, clip, frames=100)
    again_s = float(written[50][1] - written[0][1])
    heard = [(float(time_s), content) for time_s, content in audio_packets(path)]
    original = [(float(time_s), content) for time_s, content in audio_packets(clip)]
    middle = original[len(original) // 2]
    times = [time_s for time_s, content in heard if content == middle[1]]
    assert len(times) == 2
    assert times[1] - times[0] == pytest.approx(again_s, abs=0.02)


def test_sound_that_comes_back_in_another_format_is_left_out(tmp_path: Path) -> None:
    clip = talk(tmp_path)
    other = make_clip(tmp_path / "other.mkv", ClipSpec(frames=50, audio="flac"))
    path = tmp_path / "out.mkv"
    recorded(path, clip, other, frames=100)
    assert len(frame_times(path)) == 100
    originals = {content for _, content in audio_packets(clip)}
    assert {content for _, content in audio_packets(path)} <= originals


def test_nobody_has_to_take_it(tmp_path: Path) -> None:
    sound = LiveSound()
    with Connection(Endpoint(str(talk(tmp_path)), "cam", ({},), sound=sound), 60.0) as connection:
        sound.close()
        assert len(list(connection.pictures())) == 50
    assert sound.peek() is None


def test_sound_before_the_first_picture_waits_and_a_jump_is_left_out(tmp_path: Path) -> None:
    clip = talk(tmp_path)
    sound = LiveSound()
    with closing(av.open(str(clip))) as container:
        stream = container.streams.audio[0]
        sound.connect(stream)
        packets = [packet for packet in container.demux(stream) if packet.size]
        for packet in packets[:3]:
            sound.bring(packet)
        assert sound.peek() is None
        sound.place(Fraction(100), Fraction(100))
        for packet in packets[3:6]:
            sound.bring(packet)
        sound.place(Fraction(5000), Fraction(100))
        sound.bring(packets[6])
    times = [float(packet.pts * packet.time_base) for packet in sound.upto(None)]
    assert len(times) == 6
    assert np.allclose(times[1:], [100 + float(p.pts * p.time_base) for p in packets[1:6]])
