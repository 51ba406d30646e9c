"""`--cluster local:N`: a real Ray, two nodes on one machine, and what dies there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from streamfer.app.cluster.folder import done_files
from tests.support.cameras import http_cameras
from tests.support.clips import ClipSpec, make_clip
from tests.support.program import record_lines, start, streamfer

pytest.importorskip("ray", reason="Ray is an extra: pip install 'streamfer[cluster]'")

Capture = pytest.CaptureFixture[str]
START_S = 240.0
"""Ray's own processes are slow to start on a busy machine."""


def clips(folder: Path, count: int, frames: int) -> list[Path]:
    folder.mkdir()
    return [make_clip(folder / f"clip{n}.mp4", ClipSpec(frames=frames + n)) for n in range(count)]


@contextmanager
def cluster_run(folder: Path, out: Path, *options: object) -> Iterator[subprocess.Popen[str]]:
    process = start(
        "run", folder, "--cluster", "local:2", "--cpus-per-worker", 1, "--no-refine",
        "--records", out / "{stream}.jsonl", *options,
    )  # fmt: skip
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    """Kills what is left of a run."""
    if process.poll() is None:
        kill(psutil.Process(process.pid).children(recursive=True))
        process.kill()
    process.communicate()


def wait_for_done(process: subprocess.Popen[str], out: Path, count: int) -> None:
    """Until so many files are done."""
    wait_until(process, lambda: len(list(out.glob("done/*.json"))) >= count)


def wait_until(process: subprocess.Popen[str], true: Callable[[], bool]) -> None:
    never = threading.Event()
    for _ in range(int(START_S / 0.05)):
        if true():
            return
        assert process.poll() is None, process.communicate()
        never.wait(0.05)
    raise AssertionError(f"it did not come to that in {START_S:.0f} s")


def actors(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of the workers."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if command_of(child).startswith("ray::Worker")]


def command_of(process: psutil.Process) -> str:
    """Its command line; empty where it has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def kill(processes: Iterable[psutil.Process]) -> None:
    for each in processes:
        with suppress(psutil.Error):
            each.kill()


def lines(folder: Path) -> list[str]:
    """Every record of every stream, headers apart."""
    return sorted(
        json.dumps(line)
        for path in folder.glob("*.jsonl")
        for line in record_lines(path)
        if "schema" not in line
    )


def test_a_killed_worker_costs_nothing_and_records_are_those_of_a_plain_run(
    capfd: Capture, tmp_path: Path
) -> None:
    made, out = clips(tmp_path / "in", 6, 120), tmp_path / "out"
    summary = tmp_path / "summary.json"
    with cluster_run(tmp_path / "in", out, "--json-summary", summary) as process:
        wait_for_done(process, out, 1)
        actors(process)[0].kill()
        told, complaints = process.communicate(timeout=START_S)
    assert process.returncode == 0, complaints
    assert "6 of 6 files done" in told
    assert "Traceback" not in told + complaints
    done = list(done_files(out))
    assert [d.stream for d in done] == [path.stem for path in made]
    assert all(d.stands for d in done)
    assert sum(d.frames for d in done) == sum(120 + n for n in range(6))
    assert not (out / ".attempts").exists()
    figures = json.loads(summary.read_text())
    assert figures["outcome"] == "done"
    assert figures["frames"] == sum(120 + n for n in range(6))
    assert figures["cluster"]["lost"] == 1

    assert lines(out) == lines(plain_run(capfd, made, tmp_path / "plain"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_forty_clips_survive_a_node_and_then_the_driver(capfd: Capture, tmp_path: Path) -> None:
    made, out = clips(tmp_path / "in", 40, 60), tmp_path / "out"
    with cluster_run(tmp_path / "in", out) as process:
        wait_for_done(process, out, 10)
        kill_node(process)
        wait_for_done(process, out, 25)
        os.kill(process.pid, signal.SIGKILL)
    first = {d.unit: d for d in done_files(out)}
    assert 25 <= len(first) < 40
    times = {path: path.stat().st_mtime_ns for path in out.glob("*.jsonl")}

    with cluster_run(tmp_path / "in", out) as process:
        told, complaints = process.communicate(timeout=600)
    assert process.returncode == 0, complaints
    assert f"{len(first)} of 40 files are done already" in told
    done = list(done_files(out))
    assert sorted(d.stream for d in done) == sorted(path.stem for path in made)
    assert all(d.stands for d in done)
    for unit in done:
        if unit.unit in first:
            (file,) = unit.files
            assert file.path.stat().st_mtime_ns == times[file.path]
    assert not (out / ".attempts").exists()
    assert streamfer(capfd, "cluster", "verify", out).code == 0

    assert lines(out) == lines(plain_run(capfd, made, tmp_path / "plain"))


def plain_run(capfd: Capture, made: list[Path], out: Path) -> Path:
    """The same without a cluster. All files are open at once: one that has to wait for its turn
    gets a line `opened`, which says its size."""
    ended = streamfer(
        capfd, "run", *made, "--records", out / "{stream}.jsonl", "--no-refine", "--no-display",
        "--concurrent-files", len(made),
    )  # fmt: skip
    assert ended.code == 0
    return out


def kill_node(process: subprocess.Popen[str]) -> None:
    """Kills a node without warning: its Ray daemon and all that it has started."""
    worker = actors(process)[0]
    daemon = worker.parent()
    assert daemon is not None
    assert "raylet" in command_of(daemon)
    kill((*daemon.children(recursive=True), daemon))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_twelve_cameras_go_on_with_one_worker_when_the_other_is_killed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with http_cameras(12) as addresses:
        process = start(
            "run", *addresses, "--cluster", "local:2", "--cpus-per-worker", 1, "--no-refine",
            "--records", out / "{stream}.jsonl", "--json-summary", tmp_path / "s.json",
        )  # fmt: skip
        try:
            wait_until(process, lambda: len(with_frames(out)) == 12)
            killed_s = time.time()
            actors(process)[0].kill()
            wait_until(process, lambda: len(reassigned(out)) == 6)
            process.send_signal(signal.SIGINT)
            told, complaints = process.communicate(timeout=START_S)
        finally:
            stop(process)
    assert process.returncode == 130, complaints
    assert "hunter22" not in told + complaints
    moved = reassigned(out)
    origin, destination = {(event["from"], event["to"]) for event in moved.values()}.pop()
    assert origin != destination
    for stream, event in moved.items():
        moved_s = datetime.fromisoformat(event["wall"]).timestamp()
        print(f"{stream}: with {destination} {moved_s - killed_s:.1f} s after the kill")
    assert len(set(moved)) == 6
    figures = json.loads((tmp_path / "s.json").read_text())
    assert (figures["outcome"], figures["cluster"]["moved"]) == ("interrupted", 6)
    assert not any("hunter22" in text for text in ray_s_own_files())


def with_frames(out: Path) -> set[str]:
    return {path.name for path in out.glob("*cam*.jsonl") if '"frame"' in path.read_text()}


def reassigned(out: Path) -> dict[str, dict[str, str]]:
    """By stream, the line that says which worker has it now."""
    return {
        line["stream"]: line
        for path in out.glob("*cam*.jsonl")
        for line in map(json.loads, whole_lines(path))
        if line.get("event") == "reassigned"
    }


def whole_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def ray_s_own_files() -> Iterator[str]:
    """What Ray has logged of the newest session on this machine."""
    for path in Path("/tmp/ray/session_latest/logs").rglob("*"):
        if path.is_file():
            yield path.read_text(errors="replace")
