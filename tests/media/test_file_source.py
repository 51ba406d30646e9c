from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from streamfer.errors import SourceError
from streamfer.media import media_file
from streamfer.media.file_source import FileSource
from streamfer.media.playback import PlaybackOptions
from streamfer.media.source import PendingFrame
from tests.support.clips import ClipSpec, make_clip, read_number
from tests.support.shared import shared_file

MS = Fraction(1, 1000)
FASTSTART = {"movflags": "faststart"}
B_FRAMES = {"preset": "fast", "bf": "2"}


def play(path: Path, options: PlaybackOptions | None = None) -> Iterator[PendingFrame]:
    source = FileSource(path, "clip", options, clock=lambda: 0.0)
    try:
        source.open()
        yield from source.frames()
    finally:
        source.close()


def numbers(frames: list[PendingFrame]) -> list[int]:
    return [read_number(frame.picture.to_rgb()) for frame in frames]


def times(frames: list[PendingFrame]) -> list[float]:
    return [round(frame.time_s, 3) for frame in frames]


FORMATS = {
    "h264.mp4": ClipSpec(audio="aac"),
    "b-frames.mp4": ClipSpec(options=B_FRAMES),
    "fragmented.mp4": ClipSpec(container_options={"movflags": "frag_keyframe+empty_moov"}),
    "hevc.mp4": ClipSpec(codec="libx265"),
    "hevc-10-bit.mkv": ClipSpec(codec="libx265", pix_fmt="yuv420p10le"),
    "h264-10-bit.mp4": ClipSpec(pix_fmt="yuv420p10le"),
    "odd.mp4": ClipSpec(size=(97, 65), pix_fmt="yuv444p"),
    "gray.mkv": ClipSpec(codec="ffv1", pix_fmt="gray"),
    "opus.mkv": ClipSpec(audio="libopus", audio_s=2.0),
    "vp8.webm": ClipSpec(codec="libvpx"),
    "vp9.webm": ClipSpec(codec="libvpx-vp9", options={"cpu-used": "8", "deadline": "realtime"}),
    "b-frames.avi": ClipSpec(codec="mpeg4", options={"bf": "2"}),
    "mjpeg.avi": ClipSpec(codec="mjpeg", pix_fmt="yuvj420p"),
    "prores.mov": ClipSpec(codec="prores_ks", pix_fmt="yuv422p10le"),
    "b-frames.ts": ClipSpec(options=B_FRAMES, audio="aac"),
    "many-key-frames.ts": ClipSpec(options={"g": "4"}),
    "mpeg2.mpg": ClipSpec(codec="mpeg2video"),
    "h264.flv": ClipSpec(),
    "raw.264": ClipSpec(),
    "vp8.ogg": ClipSpec(codec="libvpx"),
    "rgba.gif": ClipSpec(codec="gif", pix_fmt="rgb8"),
    "raw.y4m": ClipSpec(codec="rawvideo"),
}


@pytest.mark.parametrize(("name", "spec"), FORMATS.items(), ids=FORMATS.keys())
class TestEveryFormat:
    def test_every_frame_once_in_order_at_its_time(
        self, name: str, spec: ClipSpec, tmp_path: Path
    ) -> None:
        frames = list(play(make_clip(tmp_path / name, spec)))
        assert numbers(frames) == list(range(12))
        assert [f.index for f in frames] == list(range(12))
        assert times(frames) == [round(i / 25, 3) for i in range(12)]

    def test_start_is_exact_to_the_frame(self, name: str, spec: ClipSpec, tmp_path: Path) -> None:
        path = make_clip(tmp_path / name, spec)
        whole, part = list(play(path)), list(play(path, PlaybackOptions(start_s=0.24)))
        assert numbers(part) == list(range(6, 12))
        assert times(part) == [round(i / 25, 3) for i in range(6)]
        if name != "raw.264":  # which has no PTS of its own
            assert [f.pts for f in part] == [f.pts for f in whole[6:]]


@pytest.mark.parametrize("name", ["vfr.mkv", "vfr.mp4"])
def test_variable_frame_rate_is_kept(name: str, tmp_path: Path) -> None:
    pts = [0, 40, 90, 91, 300, 301, 900]
    spec = ClipSpec(frames=7, pts=pts, time_base=MS)
    frames = list(play(make_clip(tmp_path / name, spec)))
    assert times(frames) == [p / 1000 for p in pts]


def test_metadata_in_an_old_encoding_is_no_hindrance(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4")
    content = path.read_bytes()
    assert content.count(b"VideoHandler") == 1
    path.write_bytes(content.replace(b"VideoHandler", b"Vid\xe9oHandl\xe9r"))
    assert len(list(play(path))) == 12


def test_pts_are_the_files_own(tmp_path: Path) -> None:
    spec = ClipSpec(frames=3, pts=[5000, 5040, 5080], time_base=MS)
    frames = list(play(make_clip(tmp_path / "late.mkv", spec)))
    assert [f.pts * f.time_base for f in frames] == [5, Fraction(504, 100), Fraction(508, 100)]
    assert times(frames) == [0.0, 0.04, 0.08]


@pytest.mark.parametrize("audio", [None, "aac"], ids=["", "sound turns up on the way"])
def test_spliced_file_goes_on_without_a_gap_and_tells_the_new_size(
    audio: str | None, tmp_path: Path
) -> None:
    long = ClipSpec(frames=60, options={"g": "10"})
    first = make_clip(tmp_path / "a.ts", long).read_bytes()
    second = make_clip(
        tmp_path / "b.ts", ClipSpec(frames=8, size=(64, 96), audio=audio)
    ).read_bytes()
    spliced = tmp_path / "spliced.ts"
    spliced.write_bytes(first + second)
    frames = list(play(spliced))
    sizes = [(f.segment, f.picture.to_rgb().shape) for f in frames]
    assert sizes == [(0, (64, 96, 3))] * 60 + [(1, (96, 64, 3))] * 8
    assert numbers(frames) == [*range(60), *range(8)]
    assert all(0 < b.time_s - a.time_s < 0.2 for a, b in pairwise(frames))


def test_loop_runs_on(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", ClipSpec(frames=4))
    frames = list(play(path, PlaybackOptions(loop=3)))
    assert numbers(frames) == [0, 1, 2, 3] * 3
    assert times(frames) == [round(i / 25, 3) for i in range(12)]


def test_image_is_a_video_of_one_frame(tmp_path: Path) -> None:
    spec = ClipSpec(frames=1, codec="mjpeg", pix_fmt="yuvj420p")
    source = FileSource(make_clip(tmp_path / "photo.jpg", spec), "photo")
    info = source.open()
    frames = list(source.frames())
    source.close()
    assert (info.frame_count, info.frame_rate, info.width, info.height) == (1, None, 96, 64)
    assert [f.time_s for f in frames] == [0.0]


def test_info_of_a_clip(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", ClipSpec(frames=50, rotation=90))
    source = FileSource(path, "talk", PlaybackOptions(loop=2))
    info = source.open()
    source.close()
    assert (info.stream, info.source, info.live) == ("talk", str(path), False)
    assert (info.width, info.height) == (64, 96)
    assert (info.frame_rate, info.frame_count, info.duration_s) == (25.0, 100, 2.0)


def test_realtime_is_live(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", ClipSpec(frames=2))
    source = FileSource(path, "talk", PlaybackOptions(realtime=True))
    assert source.live
    assert source.open().live
    frame = next(source.frames())
    source.close()
    assert frame.wall is not None


CUT = {
    "cut.mp4": ClipSpec(frames=60, container_options=FASTSTART),
    "b-frames.mp4": ClipSpec(frames=60, container_options=FASTSTART, options=B_FRAMES | {"g": "9"}),
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
    playlist: "it is damaged, or no video",
    playlist_named_mp4: "it is damaged, or no video",
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


def test_start_beyond_the_end(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4")
    with pytest.raises(SourceError, match="it ends before 7 s"):
        list(play(path, PlaybackOptions(start_s=7.0)))


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


@pytest.mark.parametrize("name", ["100%03d.jpg", "a:b.jpg", "http:x.jpg", "-i.jpg", "ü 面.jpg"])
def test_special_characters_in_names_mean_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = ClipSpec(frames=1, codec="mjpeg", pix_fmt="yuvj420p")
    make_clip(tmp_path / "photo.jpg", spec).rename(tmp_path / name)
    assert len(list(play(Path(name)))) == 1


def test_interrupt_ends_frames(tmp_path: Path) -> None:
    source = FileSource(make_clip(tmp_path / "clip.mp4"), "clip")
    source.open()
    frames = source.frames()
    next(frames)
    source.interrupt()
    source.interrupt()
    assert list(frames) == []
    source.close()
    source.close()


def test_frames_need_an_open_file(tmp_path: Path) -> None:
    source = FileSource(make_clip(tmp_path / "clip.mp4"), "clip")
    source.close()
    with pytest.raises(SourceError, match="is not open"):
        next(source.frames())


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


def test_used_frames_are_freed_at_once(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", ClipSpec(frames=40, rotation=90))
    gc.collect()
    gc.disable()
    try:
        before = sum(type(o) is av.VideoFrame for o in gc.get_objects())
        assert sum(1 for _ in play(path, PlaybackOptions(loop=2))) == 80
        left = sum(type(o) is av.VideoFrame for o in gc.get_objects()) - before
    finally:
        gc.enable()
    assert left <= 2  # the first one, whose display matrix was read, and nothing for each frame
