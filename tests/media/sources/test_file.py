from __future__ import annotations

import gc
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from streamfer.errors import SourceError
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.playback import PlaybackOptions
from tests.support.clips import ClipSpec, make_clip
from tests.support.file_frames import numbers, play, times

MS = Fraction(1, 1000)
B_FRAMES = {"preset": "fast", "bf": "2"}


def test_the_source_is_named_without_credentials(tmp_path: Path) -> None:
    source = FileSource(make_clip(tmp_path / "joe:hunter2@cam.mp4", ClipSpec(frames=1)), "x")
    assert source.open().source.endswith("***@cam.mp4")
    source.close()


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
        assert [f.index for f in part] == list(range(6, 12))
        assert times(part) == [round(i / 25, 3) for i in range(6, 12)]
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
    again_s = [frame.time_s - frame.looped_s for frame in frames]
    assert again_s == pytest.approx([frame.time_s for frame in frames[: len(frames) // 3]] * 3)
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
    assert (info.frame_rate, info.frame_count, info.duration_s) == (25.0, 100, 4.0)


def test_realtime_is_live(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", ClipSpec(frames=2))
    source = FileSource(path, "talk", PlaybackOptions(realtime=True))
    assert source.live
    assert source.open().live
    frame = next(source.frames())
    source.close()
    assert frame.wall is not None


def test_start_beyond_the_end(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4")
    with pytest.raises(SourceError, match="it ends before 7 s"):
        list(play(path, PlaybackOptions(start_s=7.0)))


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


@pytest.mark.parametrize("name", ["vfr.mkv", "open-gop.ts", "late.mp4"])
def test_a_late_start_keeps_the_frames_and_times_of_the_input(name: str, tmp_path: Path) -> None:
    pts = [0, 40, 55, 130, 180, 200, 260, 300, 310, 390, 400, 470]
    specs = {
        "vfr.mkv": ClipSpec(pts=pts, time_base=Fraction(1, 1000), options={"g": "4"}),
        "open-gop.ts": ClipSpec(
            frames=40, options={"g": "10", "bf": "3", "x264-params": "open-gop=1:b-adapt=0"}
        ),
        "late.mp4": ClipSpec(
            pts=[5000 + p for p in pts], time_base=Fraction(1, 1000), options={"g": "4"}
        ),
    }
    path = make_clip(tmp_path / name, specs[name])
    whole = list(play(path))
    for start in (1, 5, 6, 11):
        part = list(play(path, PlaybackOptions(start_s=whole[start].time_s)))
        assert [(f.index, f.pts, f.time_s) for f in part] == [
            (f.index, f.pts, f.time_s) for f in whole[start:]
        ]
