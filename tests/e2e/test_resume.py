"""`--skip-existing` on whole runs, for every kind of output."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.clips import ClipSpec, make_clip
from tests.support.program import frame_records, record_lines, streamfer
from tests.support.shared import shared_file

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files: one with a face in its first frames only, one without any."""
    path = tmp_path / "in"
    path.mkdir()
    make_clip(path / "empty.ts", ClipSpec(frames=12))
    (path / "face.jpg").write_bytes(shared_file("media/single_face.jpg").read_bytes())
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_records_alone_tell_what_is_complete(
    capfd: Capture, folder: Path, tmp_path: Path, suffix: str
) -> None:
    arguments = ["run", folder, "--skip-existing", "--records", tmp_path / f"r{suffix}"]
    assert streamfer(capfd, *arguments).code == 0
    assert "nothing to do" in streamfer(capfd, *arguments).out
    make_clip(folder / "empty.ts", ClipSpec(frames=13))
    again = streamfer(capfd, *arguments)
    assert again.code == 0
    assert "face" not in again.out.replace("0 faces", "")
    assert "nothing to do" in streamfer(capfd, *arguments).out


def test_records_of_a_run_that_ended_early_are_not_complete(
    capfd: Capture, folder: Path, tmp_path: Path
) -> None:
    records = tmp_path / "r.jsonl"
    assert streamfer(capfd, "run", folder, "--records", records, "--max-frames", 11).code == 0
    assert streamfer(capfd, "run", folder, "--records", records, "--skip-existing").code == 0
    assert len(frame_records(records, "empty")) == 12
    assert len(frame_records(records, "face")) == 1


def test_another_file_of_the_same_name_and_length_is_not_complete(
    capfd: Capture, tmp_path: Path
) -> None:
    """A folder added in front moves the names that files of one name are given."""
    for name in ("s02", "s01"):
        (tmp_path / name).mkdir()
        make_clip(tmp_path / name / "clip.ts", ClipSpec(frames=4))
    run = ["--skip-existing", "--records", tmp_path / "{stream}.jsonl"]
    second, first = tmp_path / "s02/clip.ts", tmp_path / "s01/clip.ts"
    assert streamfer(capfd, "run", second, *run).code == 0
    assert streamfer(capfd, "run", first, second, *run).code == 0
    headers = [record_lines(tmp_path / f"{name}.jsonl")[0] for name in ("clip", "clip-2")]
    assert [h["streams"][0]["source"] for h in headers] == [str(first), str(second)]
    assert "nothing to do" in streamfer(capfd, "run", first, second, *run).out


def test_answers_with_other_labels_are_not_complete(
    capfd: Capture, folder: Path, tmp_path: Path
) -> None:
    records = tmp_path / "r.jsonl"
    run = ["run", folder, "--skip-existing", "--records", records]
    assert streamfer(capfd, *run).code == 0
    assert streamfer(capfd, *run, "--label-set", "fer2013").code == 0
    assert record_lines(records)[0]["label_set"] == "fer2013"
    assert len(frame_records(records, "empty")) == 12


@pytest.mark.parametrize("field", ["time_s", "frame", "stream"])
def test_records_that_lack_something_are_made_again(
    capfd: Capture, folder: Path, tmp_path: Path, field: str
) -> None:
    records = tmp_path / "r.jsonl"
    arguments = ["run", folder / "empty.ts", "--records", records, "--skip-existing"]
    assert streamfer(capfd, *arguments).code == 0
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    del next(line for line in lines if line.get("frame") == 5)[field]
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    again = streamfer(capfd, *arguments)
    assert again.code == 0
    assert "nothing to do" not in again.out
    assert [record["frame"] for record in frame_records(records, "empty")] == list(range(12))


def test_latents_alone_tell_what_is_complete(capfd: Capture, folder: Path, tmp_path: Path) -> None:
    latents = tmp_path / "l.parquet"
    arguments = ["run", folder, "--skip-existing", "--latents", latents, "--no-refine"]
    assert streamfer(capfd, *arguments).code == 0
    first = pq.read_table(latents)
    assert first["stream"].to_pylist() == ["face"]
    assert "nothing to do" in streamfer(capfd, *arguments).out
    make_clip(folder / "empty.ts", ClipSpec(frames=13))
    assert streamfer(capfd, *arguments).code == 0
    assert pq.read_table(latents).equals(first)
    assert "nothing to do" in streamfer(capfd, *arguments).out


def test_a_camcorder_s_file_is_done_once(capfd: Capture, tmp_path: Path) -> None:
    source, output = shared_file("cases/camcorder.mts"), tmp_path / "out.mp4"
    arguments = ["run", source, "--output", output, "--no-refine"]
    assert streamfer(capfd, *arguments, "--max-frames", 1).code == 0
    short = output.stat().st_size
    assert streamfer(capfd, *arguments, "--skip-existing").code == 0
    assert output.stat().st_size > short
    assert "nothing to do" in streamfer(capfd, *arguments, "--skip-existing").out


def test_something_must_tell(capfd: Capture, folder: Path) -> None:
    ended = streamfer(capfd, "run", folder, "--skip-existing")
    assert ended.code == 2
    assert "--output, --records or --latents" in ended.complaint
