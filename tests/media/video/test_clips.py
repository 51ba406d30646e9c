"""Clips cut out of streams: original packets, from the key frame before, with sound in step."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from streamfer.errors import OutputError, SourceError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.sources.connection import Connection
from streamfer.media.sources.endpoint import Endpoint
from streamfer.media.sources.packets import KeptPacket, PacketMemory
from streamfer.media.video.clips import ClipFiles, ClipSource, LiveClips
from streamfer.media.video.file_clips import FileClips
from tests.support.clips import ClipSpec, make_clip, read_number

GOP = {"g": "25", "keyint_min": "25", "sc_threshold": "0", "bf": "2"}


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "talk.mp4"
    return make_clip(path, ClipSpec(frames=250, audio="aac", options=GOP))


def live(talk: Path, keep_s: float = 100.0, until_s: float = 100.0) -> LiveClips:
    """Plays the file as a connection that keeps its packets; media time runs 1 s ahead."""
    memory = PacketMemory(keep_s)
    endpoint = Endpoint(str(talk), "talk", ({},), packets=memory, read_timeout_s=60.0)
    with Connection(endpoint, 60.0) as connection:
        for frame, _ in connection.pictures():
            memory.place(frame.time, frame.time + 1.0)
            if frame.time > until_s:
                break
    return LiveClips(memory)  # and the connection is gone


def packets(path: Path, kind: str) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.size]


def clip(source: ClipSource, folder: Path, begin_s: float, end_s: float) -> Path | None:
    return source.write(ClipFiles(folder / "clip", OutputClaims()), begin_s, end_s)


@pytest.mark.parametrize("kind", ["file", "live"])
def test_a_clip_holds_the_original_packets_with_sound_in_step(
    talk: Path, tmp_path: Path, kind: str
) -> None:
    source: ClipSource = FileClips(talk, 0.0) if kind == "file" else live(talk)
    shift_s = 0.0 if kind == "file" else 1.0
    path = clip(source, tmp_path, 3.4 + shift_s, 6.2 + shift_s)
    assert path == tmp_path / "clip.mp4"
    begin_s = 3.0  # the key frame before
    for stream in ("video", "audio"):
        whole = [entry for entry in packets(talk, stream) if entry[0] >= begin_s]
        cut = packets(path, stream)
        assert [content for _, content in cut] == [content for _, content in whole[: len(cut)]]
        moved = [before - after for (before, _), (after, _) in zip(whole, cut, strict=False)]
        assert moved == pytest.approx([begin_s] * len(cut), abs=1e-3)
        assert max(time_s for time_s, _ in cut) == pytest.approx(3.2, abs=0.2)
    with av.open(str(path)) as container:
        numbers = [read_number(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    assert numbers[:5] == [75, 76, 77, 78, 79]
    assert 75 + 80 - 5 <= numbers[-1] <= 75 + 80 + 5


def test_a_clip_reaches_only_as_far_as_there_is_something(talk: Path, tmp_path: Path) -> None:
    path = clip(FileClips(talk, 0.0), tmp_path, -5.0, 1.0)
    assert path is not None
    assert packets(path, "video")[0][0] == 0.0
    assert clip(FileClips(talk, 0.0), tmp_path, 8.5, 100.0) == tmp_path / "clip.1.mp4"
    assert clip(LiveClips(PacketMemory(10.0)), tmp_path, 0.0, 1.0) is None


def test_what_mp4_cannot_carry_goes_into_matroska(tmp_path: Path) -> None:
    made = make_clip(tmp_path / "a.mkv", ClipSpec(frames=50, codec="libvpx"))
    path = clip(FileClips(made, 0.0), tmp_path, 0.5, 1.0)
    assert path == tmp_path / "clip.mkv"
    assert not (tmp_path / "clip.mp4").exists()
    assert len(packets(path, "video")) >= 12


def test_with_the_last_clip_the_packets_go(talk: Path) -> None:
    source = live(talk, until_s=1.0)
    assert source._memory.recent()[1]
    source.close()
    source._memory.add(FakePacket(0))
    assert source._memory.recent()[1] == []
    assert source._memory._bytes == 0


def test_the_memory_keeps_whole_groups_of_the_last_seconds(talk: Path, tmp_path: Path) -> None:
    source = live(talk, keep_s=3.0, until_s=8.5)
    _, kept = source._memory.recent()
    video = [packet for packet in kept if packet.is_video]
    assert video[0].is_keyframe
    assert 5.0 <= video[0].time_s <= 6.0
    path = clip(source, tmp_path, 7.2, 9.0)
    assert path is not None
    assert len(packets(path, "video")) == pytest.approx(50, abs=4)  # from 6.0 to 8.0


class FakeStream:
    type = "video"


class FakePacket:
    """A packet of an endless camera: a key frame every 50, 20 kB each."""

    stream = FakeStream()
    size = 20_000
    duration = 1
    time_base = Fraction(1, 25)

    def __init__(self, number: int) -> None:
        self.pts = self.dts = number
        self.is_keyframe = number % 50 == 0

    def __bytes__(self) -> bytes:
        return b"\0" * self.size


def camera(packets: int) -> Iterator[Any]:
    return (FakePacket(number) for number in range(packets))


def test_hours_take_no_more_memory_than_minutes() -> None:
    memory = PacketMemory(15.0)
    longest = 0
    for packet in camera(3600 * 25 // 10):
        memory.add(packet)
        longest = max(longest, len(memory._packets))
    assert longest <= (15 + 2 * 2) * 25 + 1
    assert memory._bytes == sum(len(held.packet.content) for held in memory._packets)


def test_a_camera_of_huge_packets_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfer.media.sources.packets._MOST_BYTES", 1_000_000)
    memory = PacketMemory(1e9)
    for packet in camera(300):
        memory.add(packet)
    assert memory._bytes <= 1_000_000


def test_a_full_disk_leaves_nothing_behind(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("streamfer.media.files.output_file.OutputFile.write", full)
    with pytest.raises(OutputError, match=r"clip.mp4: cannot write the clip \(No space left"):
        clip(FileClips(talk, 0.0), tmp_path, 1.0, 2.0)
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot cut .*gone.mp4"):
        clip(FileClips(tmp_path / "gone.mp4", 0.0), tmp_path, 1.0, 2.0)


def test_a_file_that_cannot_be_opened_for_a_clip_is_an_error_of_the_disk(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("streamfer.media.video.clips.OutputFile", gone)
    with pytest.raises(OutputError, match=r"cannot write the clip \(Permission denied\)"):
        clip(FileClips(talk, 0.0), tmp_path, 1.0, 2.0)


def test_what_no_container_carries_is_no_error_of_the_disk(tmp_path: Path) -> None:
    gif = make_clip(tmp_path / "a.gif", ClipSpec(frames=50, codec="gif", pix_fmt="rgb8"))
    with pytest.raises(SourceError, match=r"cannot cut .*a\.gif"):
        clip(FileClips(gif, 0.0), tmp_path / "clips", 0.5, 1.0)
    assert list((tmp_path / "clips").iterdir()) == []


def test_bare_video_has_no_times_to_cut_at(tmp_path: Path) -> None:
    bare = make_clip(tmp_path / "a.h264", ClipSpec(frames=50))
    with pytest.raises(SourceError, match="its packets have no times"):
        clip(FileClips(bare, 0.0), tmp_path, 0.5, 1.0)


def test_a_packet_without_time_is_not_kept(talk: Path) -> None:
    with closing(av.open(str(talk))) as container:
        packet = next(container.demux(video=0))
        assert KeptPacket.of(packet) is not None
        packet.pts = packet.dts = None
        assert KeptPacket.of(packet) is None


def test_the_last_picture_has_a_clip_though_others_follow_it_in_the_file(tmp_path: Path) -> None:
    """The picture before is written after it: what is shown between two needs both."""
    path = make_clip(tmp_path / "in.mp4", ClipSpec(frames=99, options=GOP))
    last_s = max(time_s for time_s, _ in packets(path, "video"))
    assert packets(path, "video")[-1][0] < last_s
    assert clip(FileClips(path, 0.0), tmp_path, last_s, last_s + 5) is not None


def test_what_lies_behind_the_end_is_said_to_have_no_clip_and_no_more(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "in.flv", ClipSpec(frames=99, options=GOP))
    assert clip(FileClips(path, 0.0), tmp_path, 60.0, 65.0) is None
