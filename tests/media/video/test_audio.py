"""The sound of annotated videos."""

from __future__ import annotations

import contextlib
import random
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamfer.errors import SourceError
from streamfer.media.sources.audio_clock import PacketOrder, move
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.playback import PlaybackOptions
from streamfer.media.verify.outputs import verify_outputs
from streamfer.media.video.audio import AudioSpan
from streamfer.media.video.writer import VideoWriter
from streamfer.types import UInt8Array
from tests.support.clips import ClipSpec, make_clip
from tests.support.written import audio_packets, copy_stream, frame_times

AAC_IN_TRANSPORT_STREAM = 7
"""Bytes of the header that each packet has there and nowhere else."""


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(
    ("container", "codec"),
    [
        (".mp4", "aac"),
        (".mp4", "libmp3lame"),
        (".mkv", "ac3"),
        (".ts", "aac"),
        (".avi", "libmp3lame"),
        (".mov", "pcm_s16le"),
    ],
)
def test_packets_are_copied_byte_for_byte_at_their_times(
    tmp_path: Path, container: str, codec: str, suffix: str
) -> None:
    clip = make_clip(tmp_path / f"in{container}", ClipSpec(frames=60, audio=codec, audio_s=3.1))
    path = tmp_path / f"out{suffix}"
    writer = copy_stream(clip, path)
    header = AAC_IN_TRANSPORT_STREAM if container == ".ts" else 0
    before, after = audio_packets(clip), audio_packets(path)
    assert [data for _, data in after] == [data[header:] for _, data in before]
    # Matroska's ticks are milliseconds.
    tick = Fraction(1, 1000) if ".mkv" in (container, suffix) else Fraction(1, 48000)
    assert all(abs(a - b) <= tick for (a, _), (b, _) in zip(after, before, strict=True))
    wanted = frame_times(clip)
    assert all(abs(a - b) <= tick for a, b in zip(frame_times(path), wanted, strict=True))
    assert writer.notes == ()


@pytest.mark.parametrize(
    ("container", "codec", "suffix", "name"),
    [(".avi", "pcm_mulaw", ".mp4", "pcm_mulaw"), (".mkv", "libopus", ".mov", "opus")],
    ids=["unknown to the container", "refused by the container"],
)
def test_what_the_container_cannot_carry_becomes_aac_and_is_noted(
    tmp_path: Path, container: str, codec: str, suffix: str, name: str
) -> None:
    clip = make_clip(tmp_path / f"in{container}", ClipSpec(frames=50, audio=codec))
    path = tmp_path / f"out{suffix}"
    writer = copy_stream(clip, path)
    with av.open(str(path)) as written:
        stream = written.streams.audio[0]
        assert stream.codec_context.name == "aac"
        frames = list(written.decode(stream))
    assert sum(f.samples for f in frames) / stream.rate == pytest.approx(2.0, abs=0.05)
    assert np.abs(np.concatenate([f.to_ndarray() for f in frames], axis=1)).max() > 0.1
    assert writer.notes == (f"sound made AAC: {suffix} cannot carry {name}",)


def test_sound_ends_with_a_video_that_was_stopped(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", ClipSpec(frames=100, audio="aac"))
    path = tmp_path / "out.mp4"
    copy_stream(clip, path, stop_after=50)
    before, after = audio_packets(clip), audio_packets(path)
    assert after == before[: len(after)]
    assert 1.9 < after[-1][0] < 2.0


@pytest.mark.parametrize("container", [".mp4", ".mkv", ".ts"])
def test_sound_longer_than_the_video_is_kept_whole(tmp_path: Path, container: str) -> None:
    clip = make_clip(
        tmp_path / f"in{container}", ClipSpec(frames=25, audio="libmp3lame", audio_s=4)
    )
    path = tmp_path / "out.mp4"
    copy_stream(clip, path)
    assert [d for _, d in audio_packets(path)] == [d for _, d in audio_packets(clip)]


def test_sound_shorter_than_the_video_does_not_hold_the_video_back(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", ClipSpec(frames=300, audio="aac", audio_s=0.5))
    path = tmp_path / "out.mp4"
    with closing(FileSource(clip, "talk")) as source:
        info = source.open()
        writer = VideoWriter(path, info, audio=AudioSpan(clip))
        for pending in source.frames():
            frame = pending.to_frame("talk", 0)
            writer.write(frame, frame.image)
        # 12 s were written; what a run killed here would leave:
        written = len(frame_times(path))
        writer.close()
    assert written >= 300 - 25
    assert len(frame_times(path)) == 300


def test_a_part_of_a_file_gets_its_part_of_the_sound(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", ClipSpec(frames=100, audio="libmp3lame"))
    path = tmp_path / "out.mp4"
    copy_stream(clip, path, PlaybackOptions(start_s=1.0, duration_s=2.0))
    assert frame_times(path) == [Fraction(i, 25) for i in range(50)]
    after = audio_packets(path)
    wanted = [(t - 1, data) for t, data in audio_packets(clip) if 1 <= t < 3]
    assert [data for _, data in after] == [data for _, data in wanted]
    assert all(abs(a - b) < Fraction(1, 1000) for (a, _), (b, _) in zip(after, wanted, strict=True))


def test_a_loop_repeats_the_sound_in_step(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", ClipSpec(frames=50, audio="libmp3lame", audio_s=2.5))
    path = tmp_path / "out.mp4"
    copy_stream(clip, path, PlaybackOptions(loop=3))
    assert len(frame_times(path)) == 150
    packets, after = audio_packets(clip), audio_packets(path)
    one_round = [(t, data) for t, data in packets if t < 2]
    wanted = [(t + 2 * turn, d) for turn in range(2) for t, d in one_round]
    wanted = [(t, d) for t, d in wanted if t >= 2 or t < 2] + [(t + 4, d) for t, d in packets]
    assert {d for _, d in after} == {d for _, d in packets}
    for turn in range(3):
        times = {t - 2 * turn for t, d in after if d == packets[10][1]}
        assert any(abs(t - packets[10][0]) < Fraction(1, 1000) for t in times)


def test_a_file_whose_sound_cannot_be_read_is_noted(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", ClipSpec(frames=5, audio="aac"))
    path = tmp_path / "out.mp4"
    writer = copy_stream(clip, path, audio=AudioSpan(tmp_path / "gone.mp4"))
    assert len(frame_times(path)) == 5
    assert len(writer.notes) == 1
    assert "no sound" in writer.notes[0]


def test_a_file_without_sound_gets_none(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", ClipSpec(frames=5))
    path = tmp_path / "out.mp4"
    writer = copy_stream(clip, path)
    with av.open(str(path)) as container:
        assert not container.streams.audio
    assert writer.notes == ()


@pytest.mark.parametrize("container", [".mp4", ".ts", ".mkv"])
def test_damaged_sound_never_stops_the_video(tmp_path: Path, container: str) -> None:
    clip = make_clip(tmp_path / f"in{container}", ClipSpec(frames=15, size=(64, 48), audio="aac"))
    whole = clip.read_bytes()
    noise = random.Random(7)
    for _ in range(12):
        damaged = bytearray(whole)
        for _ in range(30):
            damaged[noise.randrange(len(damaged))] = noise.randrange(256)
        clip.write_bytes(damaged)
        with contextlib.suppress(SourceError):
            copy_stream(clip, tmp_path / "out.mp4")


def test_damaged_packets_are_left_out_and_counted(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.ts", ClipSpec(frames=15, audio="aac"))
    payload = audio_packets(clip)[20][1]
    content = clip.read_bytes()
    assert content.count(payload[:24]) == 1
    clip.write_bytes(content.replace(payload[:7], b"\xff\xf1\xff\xff\xff\xff\xff"))
    writer = copy_stream(clip, tmp_path / "out.mp4")
    assert writer.notes == ("damaged audio packets left out: 1",)
    assert len(audio_packets(tmp_path / "out.mp4")) == len(audio_packets(clip)) - 1


def test_sound_in_an_unknown_format_is_noted(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mkv", ClipSpec(frames=5, audio="ac3"))
    content = clip.read_bytes()
    clip.write_bytes(content.replace(b"A_AC3", b"A_XYZ"))
    writer = copy_stream(clip, tmp_path / "out.mp4")
    assert writer.notes == (f"no sound: {clip} has it in an unknown format",)
    assert len(frame_times(tmp_path / "out.mp4")) == 5


def test_a_file_that_vanishes_while_it_is_played_still_gives_whole_outputs(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mp4", ClipSpec(frames=30, audio="aac"))
    path = tmp_path / "out.mp4"

    def vanish(index: int, image: UInt8Array) -> None:
        if index == 20:
            clip.unlink()

    copy_stream(clip, path, change=vanish)
    assert len(frame_times(path)) == 30


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_that_was_trimmed_off_is_not_played(tmp_path: Path, suffix: str, rate: int) -> None:
    spec = ClipSpec(frames=100, audio="aac", audio_rate=rate)
    whole = make_clip(tmp_path / "whole.mp4", spec)
    clip = tmp_path / "trimmed.mp4"
    with av.open(str(whole)) as source, av.open(str(clip), "w") as output:
        copies = {s.index: output.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.size:
                move(packet, Fraction(-1501, 1000))
                packet.stream = copies[packet.stream.index]
                output.mux(packet)
    path = tmp_path / f"out{suffix}"
    copy_stream(clip, path)
    assert frame_times(path)[0] == 0
    with av.open(str(path)) as written:
        heard = sum(frame.samples for frame in written.decode(audio=0)) / rate
    assert heard == pytest.approx(2.5, abs=0.15)
    assert verify_outputs(clip, path, None) == []


def test_packets_that_share_a_time_are_all_kept(tmp_path: Path) -> None:
    """As those of TrueHD do in Matroska, whose ticks are longer than they."""
    for suffix, times in ((".mkv", [0, 1, 1, 2, 2]), (".mp4", [0, 1, 2, 3, 4])):
        with av.open(str(tmp_path / f"out{suffix}"), "w") as output:
            stream = output.add_stream("aac", rate=48_000)
            stream.time_base = Fraction(1, 1000)
            order = PacketOrder(output, stream)
            written = []
            for time in (0, 1, 1, 2, 0):
                packet = av.Packet(b"sound")
                packet.pts = packet.dts = time
                packet.time_base = Fraction(1, 1000)
                order.straighten(packet)
                written.append(packet.dts)
        assert written == times
