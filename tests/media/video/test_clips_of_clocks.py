"""Clips of streams whose clock jumps, runs on or begins anew: of the moment that was asked for."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import pytest

from streamfer.media.files.claims import OutputClaims
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.packets import PacketMemory
from streamfer.media.video.clips import ClipFiles, ClipSource, LiveClips
from streamfer.media.video.file_clips import FileClips
from tests.support.clips import ClipSpec, make_clip, numbered_picture, read_number

GOP = {"g": "10", "bf": "0"}


def made(path: Path, first: int = 0, codec: str = "libx264") -> Path:
    """Two seconds of pictures that carry their numbers, with a key frame every 0.4 s."""
    images = (numbered_picture(first + i, (96, 64)) for i in range(50))
    return make_clip(path, ClipSpec(frames=50, codec=codec, options=GOP), images)


def shown(path: Path | None) -> tuple[list[int], list[float]]:
    """Numbers and times of a clip's pictures."""
    assert path is not None
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [read_number(f.to_ndarray(format="rgb24")) for f in frames], [f.time for f in frames]


def clip(source: ClipSource, folder: Path, begin_s: float, end_s: float) -> Path | None:
    return source.write(ClipFiles(folder / "clip", OutputClaims()), begin_s, end_s)


def clips_of(path: Path) -> FileClips:
    """What cuts a file that was played."""
    source = FileSource(path, "talk")
    source.open()
    frames = [pending.to_frame("talk", 0) for pending in source.frames()]
    source.close()
    clips = FileClips(path, float(frames[0].pts * frames[0].time_base) - frames[0].time_s)
    for frame in frames:
        clips.follow(frame)
    return clips


def test_a_spliced_file_is_cut_where_it_was_played(tmp_path: Path) -> None:
    parts = [made(tmp_path / "a.ts"), made(tmp_path / "b.ts", 100)]
    spliced = tmp_path / "spliced.ts"
    spliced.write_bytes(b"".join(part.read_bytes() for part in parts))
    clips = clips_of(spliced)
    assert shown(clip(clips, tmp_path, 1.2, 1.6))[0] == list(range(30, 40))
    assert shown(clip(clips, tmp_path, 2.8, 3.2))[0] == list(range(120, 130))
    numbers, times = shown(clip(clips, tmp_path, 1.6, 2.4))
    assert numbers == [*range(40, 50), *range(100, 110)]
    assert [b - a for a, b in pairwise(times)] == pytest.approx([0.04] * 19, abs=1e-3)
    assert shown(clip(clips, tmp_path, 0.4, 0.8))[0] == list(range(10, 20))  # back again
    assert clip(clips, tmp_path, 4.5, 5.0) is None
    clips.close()


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mpg", "mpeg2video"), ("a.avi", "mpeg4"), ("a.mkv", "libx264")]
)
def test_clips_one_after_the_other_overlap(name: str, codec: str, tmp_path: Path) -> None:
    clips = clips_of(made(tmp_path / name, codec=codec))
    for first in (0, 10, 20, 30):
        numbers, _ = shown(clip(clips, tmp_path, first / 25, first / 25 + 0.8))
        assert numbers[:20] == list(range(first, first + 20))


@pytest.mark.parametrize("name", ["a.mkv", "a.ts"])
def test_nothing_comes_of_a_moment_behind_the_end(name: str, tmp_path: Path) -> None:
    assert clip(clips_of(made(tmp_path / name)), tmp_path, 2.5, 3.0) is None


@pytest.mark.parametrize("jump_s", [988.0, 2.0, -0.5, -1.9, -100.0])
def test_a_senders_clock_may_jump_within_a_clip(jump_s: float, tmp_path: Path) -> None:
    memory = PacketMemory(15.0)
    after_s = 4.0 if jump_s == 2.0 else 2.0  # so short a jump may be a pause as well
    for part, path in enumerate([made(tmp_path / "a.ts"), made(tmp_path / "b.ts", 100)]):
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            begin = round(container.start_time / av.time_base / video.time_base)
            if part == 0:
                memory.begin([video])
            for packet in container.demux(video):
                if packet.size:
                    own_s = float((packet.pts - begin) * packet.time_base)
                    shift = round((200 + part * (2.0 + jump_s)) / packet.time_base)
                    packet.pts, packet.dts = packet.pts - begin + shift, packet.dts - begin + shift
                    memory.add(packet)
                    memory.place(float(packet.pts * packet.time_base), part * after_s + own_s)
    numbers, times = shown(clip(LiveClips(memory), tmp_path, 0.81, after_s + 0.79))
    assert numbers == [*range(20, 50), *range(100, 120)]
    assert times[-1] == pytest.approx(after_s - 0.04, abs=1e-3)
    assert clip(LiveClips(memory), tmp_path, after_s + 2.5, after_s + 3.0) is None
