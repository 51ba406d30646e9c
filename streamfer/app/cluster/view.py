"""What the terminal shows of a run on a cluster: a line per worker, or a plain one at times."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from streamfer.app.cluster.figures import ClusterFigures, WorkerFigures
from streamfer.app.terminal.glyphs import STATE_STYLES, Glyphs, format_duration, glyphs_for
from streamfer.types import StreamState

_INTERVAL_S = 0.5
_PLAIN_INTERVAL_S = 5.0
_BAR = 24
_MOST_NAMES = 3
"""Streams that a worker's line names."""
_MOST_FAILURES = 20
"""Printed at the end; the summary has them all."""


class ClusterView:
    """Shows a run on a cluster while it goes on; starts no thread.

    Args:
        figures: reads them.
        console: where to; a quiet one gets nothing.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        figures: Callable[[], ClusterFigures],
        console: Console,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._figures = figures
        self._console = console
        self._clock = clock
        self._glyphs = glyphs_for(console)
        self._live: Live | None = None
        self._next_look_s = clock()
        self._next_line_s = clock() + _PLAIN_INTERVAL_S

    def __enter__(self) -> ClusterView:
        terminal = self._console.is_terminal and not self._console.is_dumb_terminal
        if terminal and not self._console.quiet:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stderr=sys.stderr.isatty(),
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def refresh(self) -> None:
        """Shows the newest figures, if it is time to."""
        now_s = self._clock()
        if self._console.quiet or now_s < self._next_look_s:
            return
        self._next_look_s = now_s + _INTERVAL_S
        if self._live is not None:
            self._live.update(Group(*self._screen(self._figures())), refresh=True)
        elif now_s >= self._next_line_s:
            self._next_line_s = now_s + _PLAIN_INTERVAL_S
            self._console.print(header(self._figures()), soft_wrap=True, highlight=False)

    def _screen(self, figures: ClusterFigures) -> list[Text]:
        width, height = self._console.width, max(self._console.height - 1, 4)
        lines = [
            Text("Streamfer  ", "bold", no_wrap=True).append(header(figures).plain, "not bold")
        ]
        if not figures.live:
            lines.append(_bar(figures, self._glyphs))
        rest = height - len(lines)
        shown = figures.workers if len(figures.workers) <= rest else figures.workers[: rest - 1]
        lines += [_worker_line(worker, self._glyphs) for worker in shown]
        if len(shown) < len(figures.workers):
            lines.append(Text(f"and {len(figures.workers) - len(shown)} more workers", "dim"))
        for line in lines:
            line.truncate(width)
        return lines


def header(figures: ClusterFigures) -> Text:
    """The whole run in one line."""
    ready = sum(worker.node is not None for worker in figures.workers)
    starting = len(figures.workers) - ready
    what = "cameras" if figures.live else "files"
    parts = [
        format_duration(figures.elapsed_s),
        f"{figures.running} of {figures.total} cameras"
        if figures.live
        else f"{figures.done} of {figures.total} {what} done",
        f"{ready} workers" + (f" and {starting} starting" if starting else ""),
        f"{figures.waiting} waiting",
        f"{figures.fps:.1f} fps",
    ]
    if figures.failed:
        parts.append(f"{len(figures.failed)} failed")
    if figures.lost:
        parts.append(f"{figures.lost} workers lost")
    if figures.eta_s is not None and not figures.live:
        parts.append(f"{format_duration(figures.eta_s)} left")
    return Text(", ".join(parts))


def print_conclusion(figures: ClusterFigures, console: Console) -> None:
    """Prints what came of a run."""
    lines = [header(figures)]
    for number, (stream, reason) in enumerate(figures.failed.items()):
        if number == _MOST_FAILURES:
            lines.append(Text(f"  and {len(figures.failed) - number} more", "dim"))
            break
        lines.append(Text(f"✗ {stream}: {reason}", STATE_STYLES["failed"]))
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


def _bar(figures: ClusterFigures, glyphs: Glyphs) -> Text:
    over = figures.done + len(figures.failed)
    share = over / figures.total if figures.total else 1.0
    return Text(glyphs.bar(share, _BAR), "cyan").append(f" {100 * share:.0f}%", "default")


def _worker_line(worker: WorkerFigures, glyphs: Glyphs) -> Text:
    if worker.node is None:
        return Text(f"{glyphs.marks['waiting']} {worker.worker}  starting", "dim", no_wrap=True)
    state: StreamState = "running" if worker.streams else "waiting"
    line = Text(f"{glyphs.marks[state]} ", STATE_STYLES[state], no_wrap=True)
    line.append(worker.node, "bold")
    names = [stream.stream for stream in worker.streams]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    told = f"{', '.join(names[:_MOST_NAMES])}{more}" if names else "idle"
    frames = sum(stream.frames for stream in worker.streams)
    return line.append(f"  {told}  {frames} frames, {worker.fps:.1f} fps", "not bold")
