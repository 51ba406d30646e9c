from __future__ import annotations

import io
from dataclasses import replace
from typing import get_args

import pytest
from rich.console import Console

from streamfer.app.terminal.glyphs import glyphs_for
from streamfer.app.terminal.stream_table import Row, done_fraction, table_lines
from streamfer.pipeline.stats.snapshots import CurrentFace, StreamSnapshot
from streamfer.types import StreamState
from tests.support.snapshots import camera, info, probs, stream

GLYPHS = glyphs_for(Console(file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8")))


def lines(*streams: StreamSnapshot, width: int = 120, height: int = 24) -> list[str]:
    rows = [Row(s, None) for s in streams]
    return [line.plain for line in table_lines(rows, width, height, GLYPHS)]


@pytest.mark.parametrize(
    ("snapshot", "fraction"),
    [
        (stream(), 0.5),
        (stream(info(duration_s=None)), 0.5),
        (stream(info(duration_s=None, frame_count=None)), None),
        (stream(info(frame_count=None)), 0.5),
        (stream(info(frame_count=None), time_s=99.0), 1.0),
        (stream(frames=999), 1.0),
        (stream(info(frame_count=960)), 0.25),  # two rounds of 20 s
        (stream(frames=120, dropped=120), 0.5),
        (stream(camera("cam")), None),
        (stream(info(duration_s=None, frame_count=None), state="done"), 1.0),
    ],
)
def test_done_fraction(snapshot: StreamSnapshot, fraction: float | None) -> None:
    assert done_fraction(snapshot) == fraction


def test_a_wide_terminal_shows_everything() -> None:
    heading, row, face = lines(stream(dropped=3))
    titles = "stream|state|size|fps in|fps|drops|queue|p50 ms|p95 ms|faces|progress"
    assert heading.split() == titles.replace("|", " ").split()
    for word in ("talk", "running", "640×360", "48.0", "47.5", "3", "25%", "11", "24", "1", "51%"):
        assert word in row.split()
    assert "#1" in face
    assert "happy" in face
    assert "70%" in face


def test_an_uncertain_face_gets_no_label() -> None:
    unsure = CurrentFace(1, None, probs("happy", 0.3))
    *_, face = lines(stream(current=(unsure,)))
    assert "uncertain" in face
    assert "happy" not in face
    assert "30%" not in face


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
@pytest.mark.parametrize("count", [1, 2, 22, 64])
def test_lines_fit_the_terminal(width: int, count: int) -> None:
    streams = [stream(info(f"a-rather-long-name-{i}")) for i in range(count)]
    shown = lines(*streams, width=width, height=23)
    assert len(shown) <= 23
    assert all(len(line) <= width for line in shown)
    assert any("47.5" in line for line in shown)


def test_of_too_many_streams_those_in_trouble_are_shown() -> None:
    streams = [stream(info(f"cam-{i}")) for i in range(64)]
    streams[50] = replace(streams[50], state="failed", message="gone")
    streams[60] = replace(streams[60], state="waiting")
    shown = lines(*streams, height=10)
    assert any("cam-50" in line for line in shown)
    assert shown[-1] == "… and 56 more: 55 running, 1 waiting"


def test_free_lines_go_round_the_streams() -> None:
    crowd = tuple(CurrentFace(i, "happy", probs("happy")) for i in range(1, 9))
    shown = lines(stream(info("a"), current=crowd), stream(info("b"), current=crowd), height=7)
    assert [line.split()[1][:2] if "●" in line else line.split()[0] for line in shown[1:]] == [
        "a",
        "#1",
        "#2",
        "b",
        "#1",
        "#2",
    ]


def test_a_stream_in_trouble_says_why() -> None:
    lost = stream(camera("cam"), state="reconnecting", message="connection refused")
    assert "connection refused" in lines(lost)[2]


def test_names_cannot_inject_markup() -> None:
    assert "[red]x[/]" in lines(stream(info("[red]x[/]")))[1]


@pytest.mark.parametrize("state", get_args(StreamState))
def test_every_state_has_its_place_where_room_is_short(state: StreamState) -> None:
    snapshots = [replace(stream(), info=info(f"cam{i}"), state=state) for i in range(5)]
    assert any("cam0" in line for line in lines(*snapshots, height=4))
