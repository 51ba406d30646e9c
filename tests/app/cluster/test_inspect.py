"""`streamfer cluster status|verify|gather`."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from streamfer.app.cluster.fingerprint import Fingerprint
from streamfer.app.cluster.folder import JobFolder
from streamfer.app.cluster.plan import ClusterPlan, cluster_plan
from streamfer.app.cluster.reports import Attempt, AttemptResult
from streamfer.app.cluster.worker import Worker, WorkerSetup
from streamfer.app.config import RunConfig
from streamfer.media.records.reader import read_records
from tests.app.cluster.test_worker import setup_of
from tests.support.clips import ClipSpec, make_clip
from tests.support.program import streamfer

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job of two of three files, done by a worker in this process."""
    clips = [make_clip(tmp_path / f"c{n}.mp4", ClipSpec(frames=5 + n)) for n in range(3)]
    out = tmp_path / "out"
    config = RunConfig(tuple(map(str, clips)), records=out / "{stream}.csv", refine=False)
    plan = cluster_plan(config)
    worker = Worker()
    setup: WorkerSetup = setup_of(tmp_path, records=config.records)
    assert worker.prepare(setup, "w").refusal is None
    with JobFolder(plan.folder, plan.target, plan.claims) as folder:
        folder.begin(plan.identity(Fingerprint("1", "a")), 3)
        for number in range(2):
            _do(folder, plan, worker, number)
        told = {"schema": "streamfer.status/1", "updated": time.time(), "failed": {"c2": "bad"}}
        folder.write_json(out / "status.json", told)
    worker.close()
    return out


def _do(folder: JobFolder, plan: ClusterPlan, worker: Worker, number: int) -> None:
    unit = plan.units[number]
    attempt = Attempt(f"a{number}", unit.id, 1, unit.spec, folder.new_attempt(f"a{number}"))
    result = worker.analyse(attempt)
    assert isinstance(result, AttemptResult)
    folder.commit(attempt, result, "node")


def test_status_says_what_is_done_and_what_has_failed(capfd: Capture, job: Path) -> None:
    ended = streamfer(capfd, "cluster", "status", job)
    assert ended.code == 3
    assert "2 of 3 files done" in ended.out
    assert "not running" in ended.out
    assert "failed: c2: bad" in ended.out


def test_verify_names_what_is_not_done_changed_or_gone(capfd: Capture, job: Path) -> None:
    ended = streamfer(capfd, "cluster", "verify", job)
    assert ended.code == 1
    assert ended.out.splitlines() == ["1 of 3 files are not done"]
    text = (job / "c0.csv").read_text()
    (job / "c0.csv").write_text(text.replace("0", "1", 1))
    (job / "c1.csv.header.json").unlink()
    told = streamfer(capfd, "cluster", "verify", job).out
    assert "c0.csv: has changed since it was written" in told
    assert "c1.csv.header.json: No such file" in told


def test_verify_finds_results_that_lack_frames(capfd: Capture, job: Path, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c0.mp4", ClipSpec(frames=9))
    status = clip.stat()
    marker = next(job.glob("done/c0-*.json"))
    text = marker.read_text()
    (size,) = [line for line in text.splitlines() if line.startswith(' "size"')]
    (changed,) = [line for line in text.splitlines() if line.startswith(' "mtime_ns"')]
    text = text.replace(size, f' "size": {status.st_size},')
    marker.write_text(text.replace(changed, f' "mtime_ns": {status.st_mtime_ns},'))
    told = streamfer(capfd, "cluster", "verify", job).out
    assert "c0.mp4: the results do not hold all of its frames" in told


def test_gathered_records_are_one_data_set(capfd: Capture, job: Path) -> None:
    import pyarrow.dataset as dataset

    ended = streamfer(capfd, "cluster", "gather", job)
    assert ended.code == 0
    table = dataset.dataset(job / "records").to_table()
    assert table.num_rows == 5 + 6
    assert set(table["stream"].to_pylist()) == {"c0", "c1"}
    assert len(read_records(job / "records" / "c1.parquet").frames) == 6
    assert streamfer(capfd, "cluster", "gather", job).code == 0  # again


def test_gathering_replaces_nothing_else(capfd: Capture, job: Path) -> None:
    ended = streamfer(capfd, "cluster", "gather", job, "--out", job)
    assert ended.code == 2
    assert "holds other files" in ended.complaint
    ended = streamfer(capfd, "cluster", "gather", job / "done")
    assert ended.code == 2


@pytest.mark.parametrize("command", ["status", "verify", "gather"])
def test_a_folder_of_no_job(capfd: Capture, tmp_path: Path, command: str) -> None:
    ended = streamfer(capfd, "cluster", command, tmp_path)
    assert ended.code == 2
    assert str(tmp_path) in ended.complaint
