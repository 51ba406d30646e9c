"""What a run remembers of the files that it writes, one a second for months."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from streamfer.errors import ConfigError, OutputError
from streamfer.media.files.claims import OutputClaims, free_path
from streamfer.media.files.output_path import beside
from streamfer.media.files.series import FileSeries


def header_beside(path: Path) -> tuple[Path, ...]:
    return (beside(path, "header.json"),)


def make_snapshots(claims: OutputClaims, folder: Path, count: int) -> None:
    """Makes so many files, which somebody takes away again."""
    for number in range(count):
        free_path(claims, folder / f"camera-front-door.202611{number:08d}Z.png").unlink()


def test_memory_does_not_grow_with_snapshots(tmp_path: Path) -> None:
    claims = OutputClaims()
    make_snapshots(claims, tmp_path, 1000)
    tracemalloc.start()
    try:
        make_snapshots(claims, tmp_path, 2000)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 300_000


def test_memory_does_not_grow_with_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamfer.media.files.series._MOST_PATHS", 10)
    series = FileSeries(OutputClaims(), tmp_path / "cam.mp4")
    for _ in range(25):
        series.next()
    assert series.count == 25
    assert [path.name for path in series.paths] == [f"cam.{n}.mp4" for n in range(15, 25)]


def test_what_is_written_for_long_stays_reserved(tmp_path: Path) -> None:
    claims = OutputClaims()
    series = FileSeries(claims, tmp_path / "r.csv", companions=header_beside)
    series.next()
    current = series.next()
    make_snapshots(claims, tmp_path, 1500)
    free = free_path(claims, tmp_path / "r.1.csv.header.json")  # not written yet
    assert free.name == "r.1.csv.header.1.json"
    with pytest.raises(ConfigError, match="is an output of this run"):
        claims.add_inputs([current])


def test_what_was_named_is_never_forgotten(tmp_path: Path) -> None:
    claims = OutputClaims()
    video = claims.replace(tmp_path / "a.mp4")
    video.write_text("video")
    make_snapshots(claims, tmp_path, 1500)
    (tmp_path / "x.json").symlink_to(video)
    with pytest.raises(OutputError, match="another output of this run"):
        claims.replace(tmp_path / "x.json")


def test_a_run_s_own_files_are_no_strangers_however_many(tmp_path: Path) -> None:
    (tmp_path / "cam.3.mp4").write_text("before")
    claims = OutputClaims()
    series = FileSeries(claims, tmp_path / "cam.mp4")
    for _ in range(700):
        series.next()
    assert series.note is not None
    assert series.note.endswith("from before this run: cam.3.mp4")
