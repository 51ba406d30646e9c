"""What shows a run on a cluster: terminal, page, metrics, summary."""

from __future__ import annotations

import io
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from streamfer.app.cluster.figures import ClusterFigures, WorkerFigures
from streamfer.app.cluster.metrics import ClusterMetrics
from streamfer.app.cluster.page import ClusterPage, ClusterRun
from streamfer.app.cluster.reports import StreamFigures
from streamfer.app.cluster.summary import cluster_summary
from streamfer.app.cluster.view import ClusterView, print_conclusion
from streamfer.app.cluster.views import ClusterViews
from streamfer.app.config import RunConfig
from streamfer.app.session.metrics import metrics_text
from streamfer.errors import ConfigError
from tests.support.cluster import Clock, job_folder

FIGURES = ClusterFigures(
    elapsed_s=75.0,
    seconds=72.0,
    total=40,
    waiting=20,
    running=1,
    done=18,
    failed={"bad": "cannot read it (attempt 3)"},
    frames=1800,
    faces=900,
    dropped=0,
    workers=(
        WorkerFigures("w1", "host/w1", (StreamFigures("talk", "running", 30, 0, 15, 25.0),)),
        WorkerFigures("w2", "host/w2"),
        WorkerFigures("w3", None),
    ),
    lost=1,
    moved=2,
    eta_s=87.5,
)


def shown(terminal: bool, height: int = 20) -> str:
    clock = Clock()
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=140, height=height)
    with ClusterView(lambda: FIGURES, console, clock) as view:
        clock.now_s += 6
        view.refresh()
    return out.getvalue()


def test_the_terminal_shows_the_whole_run_and_every_worker() -> None:
    text = shown(terminal=True)
    for words in ("18 of 40 files done", "2 workers and 1 starting", "20 waiting", "25.0 fps"):
        assert words in text
    for words in ("1 failed", "1 workers lost", "left", "host/w1", "talk", "host/w2", "idle"):
        assert words in text


def test_a_small_terminal_shows_how_many_more_there_are() -> None:
    assert "and 2 more workers" in shown(terminal=True, height=5)


def test_without_a_terminal_there_is_a_line_now_and_then() -> None:
    lines = shown(terminal=False).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("1:15, 18 of 40 files done")


def test_the_end_names_what_failed() -> None:
    out = io.StringIO()
    print_conclusion(FIGURES, Console(file=out, width=200))
    assert "bad: cannot read it (attempt 3)" in out.getvalue()


def test_metrics() -> None:
    text = metrics_text(ClusterMetrics(lambda: FIGURES)).decode()
    for line in (
        'streamfer_cluster_units{state="done"} 18.0',
        'streamfer_cluster_units{state="failed"} 1.0',
        'streamfer_cluster_workers{state="ready"} 2.0',
        'streamfer_cluster_fps{worker="host/w1"} 25.0',
        "streamfer_cluster_workers_lost_total 1.0",
        "streamfer_cluster_frames_total 1800.0",
        "streamfer_cluster_eta_seconds 87.5",
    ):
        assert line in text


def fetched(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        body = answer.read()
    return json.loads(body) if answer.headers["Content-Type"] == "application/json" else body


def test_the_page_answers_for_the_whole_cluster() -> None:
    config = RunConfig(web="0")
    with ClusterPage(config, lambda: FIGURES) as page:
        cluster = fetched(f"{page.url}api/cluster")
        streams = fetched(f"{page.url}api/streams")
        assert b"streamfer_cluster_units" in fetched(f"{page.url}metrics")
        assert b"<html" in fetched(page.url).lower()
    assert (cluster["done"], cluster["waiting"], cluster["eta_s"]) == (18, 20, 87.5)
    assert cluster["failed"] == FIGURES.failed
    assert [worker["fps"] for worker in cluster["workers"]] == [25.0, 0, 0]
    assert [(s["stream"], s["source"], s["state"], s["live"]) for s in streams] == [
        ("talk", "host/w1", "running", False),
        ("bad", "", "failed", False),
    ]


def test_the_page_changes_nothing() -> None:
    run = ClusterRun(lambda: FIGURES)
    with pytest.raises(ConfigError, match="takes no further sources"):
        run.add("demo:", None)
    assert not run.remove("talk")


def test_the_status_file_is_there_from_the_beginning_and_has_the_end(tmp_path: Path) -> None:
    console = Console(file=io.StringIO())
    with job_folder(tmp_path) as folder:
        with ClusterViews(RunConfig(metrics="0"), folder, lambda: FIGURES, console) as views:
            views.refresh()
            assert json.loads((tmp_path / "status.json").read_text())["done"] == 18
            (tmp_path / "status.json").unlink()
        assert json.loads((tmp_path / "status.json").read_text())["schema"] == "streamfer.status/1"


def test_a_status_file_that_cannot_be_written_is_said_once_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=io.StringIO())
    monkeypatch.setattr("streamfer.app.cluster.views._STATUS_INTERVAL_S", 0.0)
    monkeypatch.setattr("streamfer.app.cluster.views._LOOK_INTERVAL_S", 0.0)
    with job_folder(tmp_path) as folder:
        with ClusterViews(RunConfig(), folder, lambda: FIGURES, console) as views:
            (tmp_path / "status.json").mkdir()
            for _ in range(3):
                views.refresh()
        said = [record.message for record in caplog.records]
        assert said == [f"{tmp_path}/status.json: cannot write: Is a directory; the run goes on"]
        with ClusterViews(RunConfig(), folder, lambda: FIGURES, console) as views:
            (tmp_path / "status.json").rmdir()
            views.refresh()
        assert json.loads((tmp_path / "status.json").read_text())["done"] == 18


def test_the_summary_has_the_fields_of_every_summary_and_the_cluster_s() -> None:
    summary = cluster_summary(FIGURES, "failed", [], ["a note"])
    assert summary["schema"] == "streamfer.summary/1"
    assert (summary["outcome"], summary["frames"], summary["fps"]) == ("failed", 1800, 25.0)
    assert summary["cluster"]["failed"] == FIGURES.failed
    (failed,) = summary["streams"]
    assert (failed["stream"], failed["outcome"]) == ("bad", "failed")
