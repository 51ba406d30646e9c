"""A disk that fills up leaves nothing at a final name that is not whole."""

from __future__ import annotations

import errno
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from streamfer.errors import OutputError
from streamfer.labels import LABELS
from streamfer.media.files.claims import OutputClaims
from streamfer.media.files.output_file import OutputFile, write_whole
from streamfer.media.records.latents import LatentWriter
from streamfer.media.records.reader import read_records
from streamfer.media.records.writer import ModelInfo, RecordHeader, open_records
from streamfer.media.sources.media_file import is_playable
from streamfer.media.video.writer import VideoWriter
from streamfer.types import StreamInfo, UInt8Array
from tests.support.analysed import make_frame, make_result

TALK = StreamInfo("talk", "talk.mp4", 320, 240, live=False, frame_rate=25.0)
HEADER = RecordHeader(
    (TALK,), LABELS, "ferplus", ModelInfo("d", "0"), ModelInfo("f", "0"), "fake", "0"
)


class Disk:
    """Takes so many bytes through `OutputFile`, then no more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 0
        write = OutputFile.write

        def limited(file: OutputFile, chunk: bytes) -> int:
            taken = chunk[: max(self.free, 0)]
            self.free -= len(taken)
            write(file, taken)
            if len(taken) < len(chunk):
                raise OSError(errno.ENOSPC, "No space left on device")
            return len(chunk)

        monkeypatch.setattr(OutputFile, "write", limited)


def write_all(writer: VideoWriter, pictures: list[UInt8Array]) -> None:
    for index, picture in enumerate(pictures):
        writer.write(make_frame(index), picture)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("free", [0, 40, 900, 60_000, 400_000])
def test_a_video_stays_only_as_far_as_it_can_be_played(
    disk: Disk, tmp_path: Path, suffix: str, free: int
) -> None:
    disk.free, path = free, tmp_path / f"out{suffix}"
    rng = np.random.default_rng(7)
    pictures = [rng.integers(0, 255, (240, 320, 3), dtype=np.uint8) for _ in range(50)]
    writer = VideoWriter(path, TALK)
    with pytest.raises(OutputError, match="No space left"):
        write_all(writer, pictures)
    writer.close()
    assert writer.paths == ()
    assert path.exists() or free < 100_000
    assert not path.exists() or (is_playable(path) and free > 1000)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("free", [0, 30, 700])
def test_records_begin_whole_or_not_at_all(
    disk: Disk, tmp_path: Path, suffix: str, free: int
) -> None:
    disk.free = free
    with suppress(OutputError), closing(open_records(tmp_path / f"r{suffix}", HEADER)):
        disk.free = 10**6  # room again: the file was begun whole
        assert read_records(tmp_path / f"r{suffix}").header == HEADER.to_json()
        return
    assert list(tmp_path.iterdir()) == []


def test_a_continuation_that_cannot_be_begun_leaves_nothing(disk: Disk, tmp_path: Path) -> None:
    disk.free = 10**6
    with closing(open_records(tmp_path / "r.csv", HEADER)) as records:
        records.write(make_result(0))
        before = {path.name for path in tmp_path.iterdir()}
        disk.free = 10
        with pytest.raises(OutputError, match="No space left"):
            records.roll()
    assert {path.name for path in tmp_path.iterdir()} == before


def test_latents_without_room_leave_nothing(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latents = LatentWriter(tmp_path / "l.parquet")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.__exit__", full)
    with pytest.raises(OutputError, match="No space left"):
        latents.close()
    assert list(tmp_path.iterdir()) == []


def test_a_small_file_is_whole_or_not_there(disk: Disk, tmp_path: Path) -> None:
    disk.free = 3
    path = OutputClaims().replace(tmp_path / "s.json")
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"{'outcome'")
    assert not path.exists()


def test_a_link_to_a_full_device_stays(tmp_path: Path) -> None:
    path = tmp_path / "latents.parquet"
    path.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left"), closing(LatentWriter(path)) as latents:
        latents.write(make_result(0))
    assert path.is_symlink()
