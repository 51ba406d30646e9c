"""What the terminal shows during a run: a live table, or a plain line now and then."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable

from rich.console import Console, Group
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from streamfer.app.terminal.event_line import event_line, newest_event
from streamfer.app.terminal.glyphs import STATE_STYLES, format_duration, glyphs_for
from streamfer.app.terminal.resources import ResourceMeter, ResourceUse
from streamfer.app.terminal.run_summary import print_summary
from streamfer.app.terminal.stream_table import Row, done_fraction, table_lines
from streamfer.app.terminal.suspension import Suspension
from streamfer.labels import UNCERTAIN
from streamfer.pipeline.stats.snapshots import RunSnapshot, StreamSnapshot
from streamfer.types import StreamState

__all__ = ["LiveView", "print_summary"]

_INTERVAL_S = 0.25
"""Between two looks at the statistics: faster than this nobody reads, and it costs time."""
_PLAIN_INTERVAL_S = 5.0
"""Between two plain lines where stdout is no terminal."""
_MOST_PLAIN_STREAMS = 4
"""More streams than this share one plain line."""
_LEAST_HEIGHT = 6


class LiveView:
    """Shows a run's statistics while it goes on.

    It starts no thread: the main thread calls `refresh` as often as it likes. What is printed
    to `console` (or, on a terminal, to `sys.stdout` and `sys.stderr`) while the view is open
    appears above it. A quiet console gets nothing.

    Args:
        snapshot: reads the statistics.
        console: where to; a terminal gets the live table, anything else plain lines.
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        snapshot: Callable[[], RunSnapshot],
        console: Console,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._snapshot = snapshot
        self._console = console
        self._clock = clock
        self._glyphs = glyphs_for(console)
        self._live: Live | None = None
        self._suspension = Suspension()
        self._shown: list[int] = []
        self._shown_width = 0
        self._meter: ResourceMeter | None = None
        self._states: dict[str, StreamState] = {}
        self._begun: dict[str, tuple[float, float]] = {}
        self._next_look_s = clock()
        self._next_line_s = clock() + _PLAIN_INTERVAL_S

    def __enter__(self) -> LiveView:
        terminal = self._console.is_terminal and not self._console.is_dumb_terminal
        if terminal and not self._console.quiet:
            self._suspension.__enter__()
            self._start_table()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._show()
        finally:
            self._end_table()
            self._suspension.__exit__()

    def refresh(self) -> None:
        """Shows the newest statistics, if it is time to, and announces changes of state."""
        if self._suspension.wanted:
            self._end_table()  # the shell gets its cursor, and a line of its own
            self._suspension.stop()
            self._start_table()
        if self._clock() >= self._next_look_s:
            self._next_look_s = self._clock() + _INTERVAL_S
            self._show()

    def _start_table(self) -> None:
        self._shown = []
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stderr=sys.stderr.isatty(),  # a log that goes to a file stays there
        )
        self._live.start()

    def _end_table(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _show(self) -> None:
        if self._console.quiet:
            return
        self._erase_wrapped()
        snapshot = self._snapshot()
        self._announce(snapshot)
        rows = [Row(stream, self._eta_s(stream, snapshot.elapsed_s)) for stream in snapshot.streams]
        if self._live is not None:
            lines = self._screen(snapshot, rows)
            self._live.update(Group(*lines), refresh=True)
            self._shown = [line.cell_len for line in lines]
        elif self._clock() >= self._next_line_s:
            self._next_line_s = self._clock() + _PLAIN_INTERVAL_S
            for line in self._plain_lines(snapshot, rows):
                self._console.print(line, soft_wrap=True, highlight=False)

    def _erase_wrapped(self) -> None:
        """Erases the rows that the table has got by being wrapped in a terminal made narrower;
        the others are erased when it is drawn the next time."""
        width = self._console.width
        narrower, self._shown_width = width < self._shown_width, width
        if self._live is not None and narrower:
            rows = sum(max(1, -(-cells // width)) for cells in self._shown)
            up = ((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1))
            self._console.control(Control(*up * (rows - len(self._shown))))

    def _announce(self, snapshot: RunSnapshot) -> None:
        """One line for every stream that was lost, failed or came back."""
        for stream in snapshot.streams:
            name, state = stream.info.stream, stream.state
            before, self._states[name] = self._states.get(name), state
            if state == before:
                continue
            recovered = before in ("stalled", "reconnecting") and state == "live"
            if state in ("stalled", "reconnecting", "failed") or recovered:
                line = Text(f"{format_duration(snapshot.elapsed_s)} ", "dim")
                line.append(f"{name}: ", "bold")
                words = "live again" if recovered else state
                line.append(words, STATE_STYLES[state])
                if stream.message and not recovered:
                    line.append(f" ({stream.message})", "default")
                self._console.print(line, soft_wrap=True, highlight=False)

    def _screen(self, snapshot: RunSnapshot, rows: list[Row]) -> list[Text]:
        # One line less than the terminal has: with all of them the cursor's line would scroll.
        width, height = self._console.width, max(self._console.height - 1, _LEAST_HEIGHT)
        header = self._header(snapshot)
        header.truncate(width)
        newest = newest_event(snapshot.streams)
        footer = [] if newest is None else [event_line(newest)]
        for line in footer:
            line.truncate(width)
        rest = height - 1 - len(footer)
        return [header, *table_lines(rows, width, rest, self._glyphs), *footer]

    def _header(self, snapshot: RunSnapshot) -> Text:
        if self._meter is None:
            self._meter = ResourceMeter(snapshot.device, self._clock)
        parts = [
            format_duration(snapshot.elapsed_s),
            f"{snapshot.fps:.1f} fps",
            f"{snapshot.dropped} dropped",
        ]
        if snapshot.latency_ms is not None:
            parts.append(f"p95 {snapshot.latency_ms.p95:.0f} ms")
        use = self._meter.read()
        if use is not None:
            parts.extend(_resource_words(use))
        parts.append(f"{snapshot.backend} on {snapshot.device}")
        line = Text("Streamfer", "bold", no_wrap=True)
        return line.append("  " + self._glyphs.separator.join(parts), "not bold")

    def _eta_s(self, stream: StreamSnapshot, elapsed_s: float) -> float | None:
        """Time left for a file at the speed it has had so far."""
        fraction = done_fraction(stream)
        if fraction is None or stream.frames == 0:
            return None
        begun_s, begun_at = self._begun.setdefault(stream.info.stream, (elapsed_s, fraction))
        gained = fraction - begun_at
        return round((elapsed_s - begun_s) * (1 - fraction) / gained) if gained > 0 else None

    def _plain_lines(self, snapshot: RunSnapshot, rows: list[Row]) -> list[Text]:
        if len(rows) > _MOST_PLAIN_STREAMS:
            return [_plain_total(snapshot)]
        return [
            _plain_stream(row, snapshot.elapsed_s)
            for row in rows
            if row.stream.state not in ("done", "failed", "interrupted", "waiting")
        ]


def _plain_total(snapshot: RunSnapshot) -> Text:
    """One line for many streams."""
    states = Counter(stream.state for stream in snapshot.streams)
    counts = ", ".join(f"{number} {state}" for state, number in states.items())
    parts = [
        f"{len(snapshot.streams)} streams ({counts})",
        f"{snapshot.frames} frames",
        f"{snapshot.fps:.1f} fps",
        f"{snapshot.dropped} dropped",
    ]
    if snapshot.latency_ms is not None:
        parts.append(f"p95 {snapshot.latency_ms.p95:.0f} ms")
    return Text(f"{format_duration(snapshot.elapsed_s)} {', '.join(parts)}")


def _plain_stream(row: Row, elapsed_s: float) -> Text:
    """One line for one stream and the faces in it."""
    stream = row.stream
    parts = [
        stream.state,
        f"{stream.frames} frames",
        f"{stream.fps_out:.1f} fps",
        f"{stream.dropped} dropped",
    ]
    if stream.latency_ms is not None:
        parts.append(f"p95 {stream.latency_ms.p95:.0f} ms")
    fraction = done_fraction(stream)
    if fraction is not None:
        parts.append(f"{fraction * 100:.0f}%")
    if row.eta_s is not None:
        parts.append(f"{format_duration(row.eta_s)} left")
    for face in stream.current:
        answer = f"{face.emotion} {face.share * 100:.0f}%" if face.emotion else UNCERTAIN
        parts.append(f"#{face.track_id} {answer}")
    return Text(f"{format_duration(elapsed_s)} {stream.info.stream}: {', '.join(parts)}")


def _resource_words(use: ResourceUse) -> list[str]:
    words = [f"CPU {use.busy_cores:.1f}/{use.cores}", f"{use.memory_bytes / 2**20:.0f} MB"]
    if use.gpu is not None:
        words.append(f"GPU {use.gpu.busy * 100:.0f}%, {use.gpu.memory_bytes / 2**20:.0f} MB")
    return words
