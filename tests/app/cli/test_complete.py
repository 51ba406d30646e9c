from __future__ import annotations

from pathlib import Path

import pytest

from streamfer.labels import LABELS
from streamfer.media.records.parquet import journal_path
from streamfer.media.records.reader import read_records
from streamfer.media.records.writer import ModelInfo, RecordHeader, open_records
from streamfer.types import FrameResult
from tests.support.program import streamfer
from tests.support.results import face_result
from tests.support.sources import pending, stream_info


def killed_run(path: Path) -> None:
    """Leaves what a run that was killed after three frames leaves."""
    model = ModelInfo("m", "0" * 64)
    header = RecordHeader((stream_info("talk"),), LABELS, "ferplus", model, model, "fake", "0")
    writer = open_records(path, header)
    for index in range(3):
        writer.write(FrameResult(pending(index).to_frame("talk", 0), (face_result(),)))
    kept = journal_path(path).read_bytes()
    writer.close()
    path.unlink()
    journal_path(path).write_bytes(kept)


def test_a_killed_run_s_records_are_completed(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "records.parquet"
    killed_run(path)
    ended = streamfer(capfd, "complete", path)
    assert (ended.code, "completed" in ended.out) == (0, True)
    assert not journal_path(path).exists()
    assert [frame["frame"] for frame in read_records(path).frames] == [0, 1, 2]
    assert "nothing to do" in streamfer(capfd, "complete", path).out


def test_a_damaged_journal_is_one_error_and_stays(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "records.parquet"
    journal_path(path).write_text("no records\n")
    ended = streamfer(capfd, "complete", path)
    assert ended.code == 3
    assert "damaged" in ended.complaint
    assert journal_path(path).exists()


def test_a_missing_file_is_an_error(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ended = streamfer(capfd, "complete", tmp_path / "absent.parquet")
    assert ended.code == 3
    assert "absent.parquet: no such file" in ended.complaint


def test_a_folder_is_an_error(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ended = streamfer(capfd, "complete", tmp_path)
    assert ended.code == 3
    assert f"{tmp_path}: is a folder; name a file" in ended.complaint
