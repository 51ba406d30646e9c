"""The folder of a clustered run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from streamfer.app.cluster.folder import JobFolder, done_files
from streamfer.app.cluster.reports import Attempt, AttemptResult
from streamfer.errors import ConfigError, OutputError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec
from tests.support.cluster import job_folder, written


def lock_file(folder: Path) -> Path:
    return folder / ".job.lock"


def an_attempt(folder: JobFolder, spec: SourceSpec | None = None) -> tuple[Attempt, AttemptResult]:
    spec = spec or SourceSpec(SourceKind.DEMO, "talk", "")
    attempt = Attempt("a1", "talk-1", 1, spec, folder.new_attempt("a1"))
    return attempt, written(attempt)


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        job_folder(tmp_path),
        pytest.raises(OutputError, match="another run works in this folder"),
        job_folder(tmp_path),
    ):
        pass
    with job_folder(tmp_path):
        pass


def test_a_run_that_ends_takes_no_lock_from_the_next(tmp_path: Path) -> None:
    """Another run may take the folder as soon as it is free: before the first has quite ended."""
    held = lock_file(tmp_path)
    with job_folder(tmp_path):
        file = held.stat().st_ino
    assert held.stat().st_ino == file


def test_what_an_attempt_of_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".attempts" / "old" / "records"
    left.mkdir(parents=True)
    (left / "talk.jsonl").write_text("half")
    with job_folder(tmp_path):
        assert not left.exists()


def test_results_with_other_options_are_not_mixed(tmp_path: Path) -> None:
    with job_folder(tmp_path) as folder:
        folder.begin({"label-set": "ferplus"}, 2)
        folder.begin({"label-set": "fer2013"}, 2)  # nothing is done yet
        folder.commit(*an_attempt(folder), "node")
        with pytest.raises(ConfigError, match="label-set fer2013, and now it is ferplus"):
            folder.begin({"label-set": "ferplus"}, 2)
        folder.begin({"label-set": "fer2013"}, 3)


def test_an_input_that_has_changed_is_done_again(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    source.write_text("one")
    spec = SourceSpec(SourceKind.FILE, "talk", str(source))
    with job_folder(tmp_path / "out") as folder:
        attempt, result = an_attempt(folder, spec)
        status = source.stat()
        result = replace(result, input_size=3, input_mtime_ns=status.st_mtime_ns)
        folder.commit(attempt, result, "node")
        (done,) = done_files(folder.path)
        assert done.stands
        source.write_text("another")
        assert not done.stands


def test_a_result_that_is_gone_or_short_is_done_again(tmp_path: Path) -> None:
    with job_folder(tmp_path) as folder:
        folder.commit(*an_attempt(folder), "node")
        (done,) = done_files(folder.path)
        assert done.stands
        done.files[0].path.write_text("res")
        assert not done.stands
        done.files[0].path.unlink()
        assert not done.stands


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "streamfer.done/1"}', '{"schema": 3}'])
def test_damaged_markers_count_for_nothing(tmp_path: Path, text: str) -> None:
    with job_folder(tmp_path) as folder:
        folder.commit(*an_attempt(folder), "node")
    marker = tmp_path / "done" / "talk-1.json"
    assert json.loads(marker.read_text())["stream"] == "talk"
    marker.write_text(text)
    assert not list(done_files(tmp_path))


def test_an_input_is_never_replaced(tmp_path: Path) -> None:
    victim = tmp_path / "records" / "talk.jsonl"
    victim.parent.mkdir()
    victim.write_text("mine")
    claims = OutputClaims([victim])
    with JobFolder(tmp_path, lambda output, stream: tmp_path / output, claims) as folder:
        with pytest.raises(OutputError, match="is the input"):
            folder.commit(*an_attempt(folder), "node")
        assert victim.read_text() == "mine"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"), job_folder(tmp_path / "file" / "x"):
        pass
