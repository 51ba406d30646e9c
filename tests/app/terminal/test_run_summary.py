from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from streamfer.app.terminal.run_summary import print_summary
from streamfer.pipeline.stats.snapshots import RunSnapshot, TrackSummary
from tests.support.snapshots import camera, info, probs, run, stream


def printed(snapshot: RunSnapshot, width: int = 100) -> list[str]:
    file = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    print_summary(snapshot, Console(file=file, width=width))
    file.seek(0)
    return file.read().splitlines()


def test_stream_face_and_total_each_have_their_line() -> None:
    share = np.array([0, 0, 0, 0.75, 0.2, 0.04, 0.01], dtype=np.float32)
    track = TrackSummary(3, 1.0, 9.5, 200, share)
    head, face, total = printed(run(stream(state="done", tracks=(track,))))
    assert head == "✓ talk  240 frames · 48.0 fps · 0 dropped · 1 face · p50 11, p95 24 ms"
    assert face.startswith("  #3   0:01–0:09         8.5 s  ████████████████████  ")
    assert face.endswith("happy 75%, sad 20%, surprise 4%")
    assert total == (
        "240 frames in 5.0 s · 48.0 fps · 0 dropped · p50 11, p95 24 ms · openvino on cpu"
    )


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_face_keeps_to_the_width(width: int) -> None:
    track = TrackSummary(1, 0.0, 10.0, 240, probs("happy", 1 / 7))
    lines = printed(run(stream(tracks=(track,))), width)
    assert len(lines[1]) <= width
    assert "angry 14%" in lines[1]


def test_a_failed_stream_says_why_and_a_lost_one_how_often() -> None:
    failed = stream(info("bad"), state="failed", message="bad.mp4: not a video", tracks=())
    shaky = stream(camera("cam"), state="live", reconnects=2, dropped=7)
    lines = printed(run(failed, shaky))
    assert lines[1] == "  bad.mp4: not a video"
    assert "2 reconnects" in lines[2]
    assert "7 dropped" in lines[2]


def test_of_a_crowd_the_longest_seen_are_listed_in_order() -> None:
    tracks = tuple(TrackSummary(i, 0.0, 1.0, i, probs("sad")) for i in range(1, 31))
    lines = printed(run(stream(tracks=tracks)))
    assert [line.split()[0] for line in lines[1:13]] == [f"#{i}" for i in range(19, 31)]
    assert lines[13] == "  and 18 more faces, seen for a shorter time"


def test_notes_stand_before_the_total() -> None:
    file = io.StringIO()
    print_summary(run(stream()), Console(file=file), ["the audio was transcoded"])
    assert file.getvalue().splitlines()[-2] == "note: the audio was transcoded"


def test_a_run_that_never_began() -> None:
    nothing = run(seconds=0.0, fps=0.0, latency_ms=None)
    assert printed(nothing) == ["0 frames in 0.0 s · 0.0 fps · 0 dropped · openvino on cpu"]
