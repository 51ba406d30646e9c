"""What the summary says of runs that end badly, and what they leave."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfer.media.sources.media_file import is_playable
from streamfer.types import UInt8Array
from tests.support.clips import ClipSpec, make_clip
from tests.support.program import frame_records, start, streamfer

Capture = pytest.CaptureFixture[str]


def noise(frames: int) -> Iterator[UInt8Array]:
    rng = np.random.default_rng(5)
    for _ in range(frames):
        yield rng.integers(0, 255, (240, 320, 3), dtype=np.uint8)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_whole_run_is_done(capfd: Capture, tmp_path: Path) -> None:
    clip, summary = make_clip(tmp_path / "a.mp4", ClipSpec(frames=5)), tmp_path / "s.json"
    assert streamfer(capfd, "run", clip, "--json-summary", summary).code == 0
    found = read(summary)
    assert (found["outcome"], found["failed_outputs"], found["tracks"]) == ("done", [], 0)
    assert found["streams"][0]["outcome"] == "done"


def test_the_demo_s_one_person_is_one_track(capfd: Capture, tmp_path: Path) -> None:
    summary = tmp_path / "s.json"
    ended = streamfer(capfd, "run", "demo:", "--max-frames", 10, "--json-summary", summary)
    assert ended.code == 0
    found = read(summary)
    assert (found["faces"], found["tracks"], found["streams"][0]["tracks"]) == (10, 1, 1)


def test_a_lost_file_among_others_is_a_failed_run(capfd: Capture, tmp_path: Path) -> None:
    clip, summary = make_clip(tmp_path / "a.mp4", ClipSpec(frames=5)), tmp_path / "s.json"
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    assert streamfer(capfd, "run", clip, bad, "--json-summary", summary).code == 3
    found = read(summary)
    assert found["outcome"] == "failed"
    assert [stream["outcome"] for stream in found["streams"]] == ["done", "failed"]
    assert "bad.mp4" in found["streams"][1]["message"]


def test_a_run_that_a_signal_ends_is_interrupted(tmp_path: Path) -> None:
    clip, summary = make_clip(tmp_path / "a.mp4", ClipSpec(frames=50)), tmp_path / "s.json"
    process = start(
        "run", clip, "--loop", 10_000, "--json-summary", summary, "--no-refine", "--no-display",
        "--records", tmp_path / "r.jsonl", "--log-level", "error",
    )  # fmt: skip
    while process.poll() is None and not (
        (tmp_path / "r.jsonl").exists() and len((tmp_path / "r.jsonl").read_text()) > 5000
    ):
        pass
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    found = read(summary)
    assert found["outcome"] == "interrupted"
    assert found["streams"][0]["state"] == found["streams"][0]["outcome"] == "interrupted"
    assert "interrupted" in out


def test_a_full_disk_fails_the_video_and_leaves_it_playable(
    capfd: Capture, tmp_path: Path, small_disk: Path
) -> None:
    clip = make_clip(tmp_path / "a.mp4", ClipSpec(frames=40, size=(320, 240)), noise(40))
    summary, video = tmp_path / "s.json", small_disk / "a.mp4"
    records = tmp_path / "r.jsonl"
    ended = streamfer(
        capfd, "run", clip, "--output", video, "--records", records, "--json-summary", summary
    )
    assert ended.code == 4
    assert f"wrote {records}" in ended.out
    assert f"wrote {video}" not in ended.out
    found = read(summary)
    assert found["outcome"] == "failed"
    (failed,) = found["failed_outputs"]
    assert failed["output"] == str(video)
    assert "No space left" in failed["message"]
    assert found["streams"][0]["outcome"] == "done"
    assert len(frame_records(records)) == 40
    assert not video.exists() or is_playable(video)


def test_where_the_only_output_fails_the_summary_still_says_so(
    capfd: Capture, tmp_path: Path, small_disk: Path
) -> None:
    clip = make_clip(tmp_path / "a.mp4", ClipSpec(frames=40, size=(320, 240)), noise(40))
    summary = tmp_path / "s.json"
    ended = streamfer(
        capfd, "run", clip, "--output", small_disk / "a.mp4", "--json-summary", summary
    )
    assert ended.code == 4
    found = read(summary)
    assert found["outcome"] == "failed"
    assert found["failed_outputs"][0]["output"] == str(small_disk / "a.mp4")
    assert "wrote" not in ended.out


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("--records", "r.jsonl"),
        ("--records", "r.csv"),
        ("--records", "r.parquet"),
        ("--output", "a.mp4"),
        ("--output", "a.mkv"),
        ("--latents", "l.parquet"),
        ("--snapshot-dir", "."),
        ("--json-summary", "s.json"),
        ("--save-config", "c.toml"),
    ],
)
def test_a_disk_that_is_full_from_the_start_gets_no_empty_file(
    capfd: Capture, tmp_path: Path, small_disk: Path, option: str, name: str
) -> None:
    clip = make_clip(tmp_path / "a.mp4", ClipSpec(frames=3, size=(320, 240)), noise(3))
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space"):
        fill(filler)
    every = ["--snapshot-every", 1] if option == "--snapshot-dir" else []
    ended = streamfer(capfd, "run", clip, "--no-refine", option, small_disk / name, *every)
    assert ended.code == 4
    assert "No space left" in ended.complaint
    assert [path.name for path in small_disk.iterdir()] == [filler.name]
