"""Files that are cut off, damaged, or no video at all."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import av
import pytest

from streamfer.errors import SourceError
from streamfer.media.sources import media_file
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.playback import PlaybackOptions
from streamfer.media.sources.source import PendingFrame
from tests.support.clips import ClipSpec, make_clip
from tests.support.file_frames import numbers, play, times
from tests.support.shared import shared_file

FASTSTART = {"movflags": "faststart"}


CUT = {
    "cut.mp4": ClipSpec(frames=60, container_options=FASTSTART),
    "b-frames.mp4": ClipSpec(
        frames=60, container_options=FASTSTART, options={"preset": "fast", "bf": "2", "g": "9"}
    ),
    "fragmented.mp4": ClipSpec(
        frames=60, container_options={"movflags": "frag_keyframe+empty_moov"}, options={"g": "9"}
    ),
    "cut.mkv": ClipSpec(frames=60, audio="libopus"),
    "cut.webm": ClipSpec(frames=60, codec="libvpx"),
    "cut.avi": ClipSpec(frames=60, codec="mpeg4"),
    "cut.mov": ClipSpec(
        frames=60, codec="prores_ks", pix_fmt="yuv422p10le", container_options=FASTSTART
    ),
}


@pytest.mark.parametrize(("name", "spec"), CUT.items(), ids=CUT.keys())
def test_cut_file_gives_what_it_has_and_then_says_so(
    name: str, spec: ClipSpec, tmp_path: Path
) -> None:
    path = make_clip(tmp_path / name, spec)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 7 // 10])
    frames: list[PendingFrame] = []
    with pytest.raises(SourceError) as caught:
        frames.extend(play(path))
    assert 5 < len(frames) < 60
    assert numbers(frames)[:-1] == list(range(len(frames) - 1))  # the last may be half a picture
    assert f"cut off after frame {len(frames)}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cut_is_no_matter_before_it_is_reached(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "cut.mp4", CUT["cut.mp4"])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 7 // 10])
    assert len(list(play(path, PlaybackOptions(max_frames=5)))) == 5
    assert len(list(play(path, PlaybackOptions(duration_s=0.2)))) == 5


def test_benchmark_clip_cut_in_half(tmp_path: Path) -> None:
    whole = shared_file("media/WolfgangLanger_Pexels.mp4").read_bytes()
    half = tmp_path / "half.mp4"
    half.write_bytes(whole[: len(whole) // 2])
    frames: list[PendingFrame] = []
    with pytest.raises(SourceError, match="after frame 228 of 472"):
        frames.extend(play(half))
    assert len(frames) == 228


def test_photo_cut_in_half_is_shown_and_then_named(tmp_path: Path) -> None:
    whole = shared_file("media/multi_face.jpg").read_bytes()
    half = tmp_path / "half.jpg"
    half.write_bytes(whole[: len(whole) // 2])
    frames: list[PendingFrame] = []
    with pytest.raises(SourceError, match="cut off after frame 1:"):
        frames.extend(play(half))
    assert len(frames) == 1


@pytest.mark.parametrize(
    ("name", "count"),
    [("WolfgangLanger_Pexels.mp4", 472), ("no_face.mp4", 95), ("multi_face.jpg", 1)],
)
def test_real_files_raise_no_false_alarm(name: str, count: int) -> None:
    assert sum(1 for _ in play(shared_file(f"media/{name}"))) == count


def test_damage_in_the_middle_costs_only_what_it_hit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = ClipSpec(frames=40, codec="mjpeg", pix_fmt="yuvj420p")
    path = make_clip(tmp_path / "clip.avi", spec)
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    for position, size in packets[10:13]:
        content[position + 8 : position + size] = bytes(size - 8)
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        frames = list(play(path))
    assert numbers(frames) == [*range(10), *range(13, 40)]
    assert times(frames)[10] == 0.52
    assert "3 damaged packets left out" in caplog.text


def text_named_mp4(folder: Path) -> Path:
    path = folder / "notes.mp4"
    path.write_text("Not a video at all.\n" * 50)
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def audio_only(folder: Path) -> Path:
    path = make_clip(folder / "av.mkv", ClipSpec(audio="aac"))
    return strip_video(path, folder / "sound.m4a")


def strip_video(path: Path, target: Path) -> Path:
    with av.open(str(path)) as source, av.open(str(target), "w") as output:
        stream = output.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    return target


def playlist(folder: Path) -> Path:
    make_clip(folder / "secret.ts")
    path = folder / "list.m3u8"
    path.write_text(f"#EXTM3U\n#EXTINF:1,\n{folder / 'secret.ts'}\n#EXT-X-ENDLIST\n")
    return path


def playlist_named_mp4(folder: Path) -> Path:
    return playlist(folder).rename(folder / "list.mp4")


def concat_script(folder: Path) -> Path:
    make_clip(folder / "secret.mp4")
    path = folder / "list.ffconcat"
    path.write_text("ffconcat version 1.0\nfile secret.mp4\n")
    return path


def session_description(folder: Path) -> Path:
    """Names a UDP port to listen on."""
    path = folder / "session.mp4"
    path.write_text(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 50494 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )
    return path


def damaged_picture(folder: Path) -> Path:
    path = make_clip(folder / "photo.png", ClipSpec(frames=1, codec="png", pix_fmt="rgb24"))
    path.write_bytes(path.read_bytes()[:200])
    return path


BAD = {
    text_named_mp4: "it is damaged, or no video or image that FFmpeg knows",
    empty: "it is empty",
    audio_only: "it has no video",
    playlist: "it is a playlist",
    playlist_named_mp4: "it is a playlist",
    concat_script: "it is damaged, or no video",
    session_description: "it is damaged, or no video",
    damaged_picture: "not one frame of it is intact",
    lambda folder: folder: "it is a directory",
    lambda folder: folder / "gone.mp4": "no such file",
    lambda folder: folder / "gone" / "clip.mp4": "there is no directory",
}


@pytest.mark.parametrize(("make", "message"), BAD.items(), ids=BAD.values())
def test_bad_input_is_one_line(make: object, message: str, tmp_path: Path) -> None:
    assert callable(make)
    path = make(tmp_path)
    with pytest.raises(SourceError, match=message) as caught:
        list(play(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("photo.jpg", ClipSpec(frames=1, codec="mjpeg", pix_fmt="yuvj420p")),
        ("photo.png", ClipSpec(frames=1, codec="png", pix_fmt="rgb24")),
        ("clip.mp4", ClipSpec()),
    ],
)
def test_pictures_of_absurd_size_are_refused(
    name: str, spec: ClipSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_clip(tmp_path / name, spec)
    monkeypatch.setattr(media_file, "MAX_PIXELS", 1000)
    with pytest.raises(SourceError, match=r"cannot (decode|open)"):
        list(play(path))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("make", [make_clip, text_named_mp4, audio_only, damaged_picture])
def test_no_descriptor_stays_open(make: object, tmp_path: Path) -> None:
    assert callable(make)
    path = make(tmp_path / "clip.mp4" if make is make_clip else tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        source = FileSource(path, "clip", PlaybackOptions(loop=2, start_s=0.1))
        try:
            source.open()
            next(source.frames())
        except SourceError:
            pass
        source.close()
    assert len(os.listdir("/proc/self/fd")) == before
