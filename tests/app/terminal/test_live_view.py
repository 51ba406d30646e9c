from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from streamfer.app.terminal.live_view import LiveView
from streamfer.pipeline.stats.snapshots import CurrentFace, RunSnapshot
from streamfer.types import StreamEvent
from tests.support.snapshots import camera, info, probs, run, stream


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Ticking(Clock):
    """A clock that moves on whenever it is looked at."""

    def __call__(self) -> float:
        self.now_s += 0.3
        return self.now_s


class Terminal:
    """A console whose output can be read, with the control sequences taken out."""

    def __init__(self, *, terminal: bool, width: int = 100, height: int = 24, **more: Any) -> None:
        self._bytes = io.BytesIO()
        file = io.TextIOWrapper(self._bytes, encoding="utf-8", write_through=True)
        self.console = Console(
            file=file, force_terminal=terminal, width=width, height=height, **more
        )

    @property
    def raw(self) -> str:
        return self._bytes.getvalue().decode()

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw)


def test_a_terminal_gets_the_table_and_it_goes_away_at_the_end() -> None:
    terminal = Terminal(terminal=True, color_system=None)
    with LiveView(lambda: run(stream()), terminal.console, Clock()) as view:
        view.refresh()
        assert "Streamfer  0:05 · 48.0 fps · 0 dropped" in terminal.text
        assert "openvino on cpu" in terminal.text
        assert "happy" in terminal.text
        shown = len(terminal.text)
        terminal.console.print("a message")
        assert "a message" in terminal.text[shown:]


def test_what_is_printed_stands_above_the_table() -> None:
    terminal = Terminal(terminal=True, color_system=None)
    with LiveView(lambda: run(stream()), terminal.console, Clock()) as view:
        view.refresh()
        shown = len(terminal.text)
        terminal.console.print("a message")
        later = terminal.text[shown:]
    assert later.index("a message") < later.index("Streamfer")


def test_without_a_terminal_a_line_comes_every_few_seconds() -> None:
    terminal, clock = Terminal(terminal=False), Clock()
    with LiveView(lambda: run(stream()), terminal.console, clock) as view:
        for _ in range(49):
            clock.now_s += 0.25
            view.refresh()
    lines = terminal.text.splitlines()
    assert len(lines) == 2
    assert lines[0] == (
        "0:05 talk: running, 240 frames, 47.5 fps, 0 dropped, p95 24 ms, 50%, #1 happy 70%"
    )


def test_a_plain_line_makes_no_guess() -> None:
    terminal, clock = Terminal(terminal=False), Clock()
    unsure = stream(current=(CurrentFace(1, None, probs("happy", 0.3)),))
    with LiveView(lambda: run(unsure), terminal.console, clock) as view:
        clock.now_s += 6
        view.refresh()
    assert terminal.text.splitlines()[0].endswith("50%, #1 uncertain")


def test_many_streams_share_a_plain_line() -> None:
    terminal, clock = Terminal(terminal=False), Clock()
    streams = [stream(info(f"s{i}")) for i in range(63)]
    snapshot = run(*streams, stream(info("x"), state="failed", message="gone"))
    with LiveView(lambda: snapshot, terminal.console, clock) as view:
        clock.now_s += 6
        view.refresh()
    assert "64 streams (63 running, 1 failed)" in terminal.text
    assert len(terminal.text.splitlines()) == 2


@pytest.mark.parametrize("terminal", [True, False])
def test_a_stream_that_is_lost_and_comes_back_is_announced_once(terminal: bool) -> None:
    out = Terminal(terminal=terminal, color_system=None)
    up = stream(camera("cam"), state="live")
    down = replace(up, state="reconnecting", message="connection refused")
    failed = replace(up, state="failed", message="gave up after 3 tries")
    states = iter([up, down, down, up, up, failed, failed])
    with LiveView(lambda: run(next(states)), out.console, Ticking()) as view:
        for _ in range(6):
            view.refresh()
    announced = re.findall(r"0:05 cam: (.*?)\s*$", out.text, flags=re.MULTILINE)
    assert announced == [
        "reconnecting (connection refused)",
        "live again",
        "failed (gave up after 3 tries)",
    ]


def test_the_time_left_follows_the_speed_so_far() -> None:
    terminal, clock = Terminal(terminal=False), Clock()
    snapshots: list[RunSnapshot] = [
        run(stream(frames=48), elapsed_s=1.0),
        run(stream(frames=192), elapsed_s=4.0),
    ]
    current = snapshots[0]
    with LiveView(lambda: current, terminal.console, clock) as view:
        view.refresh()
        current = snapshots[1]
        clock.now_s += 10
        view.refresh()
    assert "40%, 0:06 left" in terminal.text


@pytest.mark.parametrize(("width", "height"), [(40, 5), (60, 24), (80, 24), (250, 60)])
@pytest.mark.parametrize("count", [0, 1, 64])
def test_the_screen_never_outgrows_the_terminal(width: int, height: int, count: int) -> None:
    terminal = Terminal(terminal=True, width=width, height=height, color_system=None)
    snapshot = run(*[stream(info(f"s{i}")) for i in range(count)])
    clock = Clock()
    with LiveView(lambda: snapshot, terminal.console, clock) as view:
        start = len(terminal.text)
        clock.now_s += 1
        view.refresh()
        screen = terminal.text[start:].strip("\r\n").splitlines()
    assert len(screen) <= height
    assert all(len(line) <= width for line in screen)


def test_a_terminal_made_narrower_keeps_no_old_lines() -> None:
    terminal = Terminal(terminal=True, width=100, color_system=None)
    with LiveView(lambda: run(stream()), terminal.console, Ticking()) as view:

        def rows_erased() -> int:
            before = len(terminal.raw)
            view.refresh()
            return terminal.raw[before:].count("\x1b[1A")

        view.refresh()
        view.refresh()  # from now on the resources are shown
        table = terminal.text[terminal.text.rindex("Streamfer") :].split("\n")
        assert rows_erased() == len(table) - 1
        terminal.console.width = 40
        wrapped = sum(-(-len(line) // 40) for line in table)
        assert rows_erased() == wrapped - 1 > len(table) - 1
        assert rows_erased() <= len(table) - 1


def test_the_terminal_is_given_back_when_reading_the_statistics_fails() -> None:
    terminal = Terminal(terminal=True, color_system=None)
    states = iter([run(stream())])
    view = LiveView(lambda: next(states), terminal.console, Clock())
    with pytest.raises(StopIteration):  # noqa: SIM117
        with view:
            view.refresh()
    assert not terminal.console._live_stack


def test_the_statistics_are_not_read_more_often_than_anybody_can_see() -> None:
    terminal, clock = Terminal(terminal=True), Clock()
    reads = 0

    def snapshot() -> RunSnapshot:
        nonlocal reads
        reads += 1
        return run(stream())

    with LiveView(snapshot, terminal.console, clock) as view:
        for _ in range(200):
            clock.now_s += 0.01
            view.refresh()
        assert 7 <= reads <= 9


def test_a_quiet_console_gets_nothing() -> None:
    terminal = Terminal(terminal=True, quiet=True)
    with LiveView(lambda: run(stream()), terminal.console, Clock()) as view:
        view.refresh()
    assert terminal.text == ""


def test_the_newest_event_stands_at_the_foot() -> None:
    def happened(name: str, time_s: float, event: Any, **details: Any) -> StreamEvent:
        return StreamEvent(name, event, time_s, details=details)

    change = happened("b", 12.4, "expression_changed", track=3, before="neutral", emotion="happy")
    older = happened("a", 3.0, "face_left", track=1)
    streams = (
        stream(info("a"), newest_event=older),
        stream(info("b"), newest_event=change),
    )
    terminal = Terminal(terminal=True, color_system=None)
    with LiveView(lambda: run(*streams), terminal.console, Clock()) as view:
        view.refresh()
    assert "0:12 b: expression changed, face 3: neutral to happy" in terminal.text
    assert "face left" not in terminal.text
