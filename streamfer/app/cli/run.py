"""`streamfer run`: from a configuration to an exit code."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING

import cv2  # noqa: F401  before PyAV, or windows hang: see media/sources/screen_relay.py
from rich.console import Console

from streamfer.app.config import RunConfig
from streamfer.app.session.followed import FollowedSources
from streamfer.app.session.job import Job
from streamfer.app.session.outcome import Outcome
from streamfer.app.session.search_notes import search_notes
from streamfer.app.session.session import Session
from streamfer.app.session.signals import StopSignals
from streamfer.app.terminal.build_progress import BuildProgress
from streamfer.app.terminal.feed import WindowFeed
from streamfer.app.terminal.live_view import LiveView, print_summary
from streamfer.app.terminal.logs import complain, configure_logging
from streamfer.app.terminal.page_line import say_page
from streamfer.app.terminal.viewer import Viewer, wants_window

if TYPE_CHECKING:
    from streamfer.app.web.page import LivePage

INTERRUPTED = 130
"""Exit code of a run that a signal ended."""
_DEFAULT_SOURCE = "0"


def run(config: RunConfig, read_sources: Callable[[], Sequence[str]] | None = None) -> int:
    """Runs the program.

    Args:
        config: of the run.
        read_sources: reads again what it came from, where that is a file; SIGHUP has it read
            unless a terminal is there, whose end that signal says.

    Returns:
        The exit code.

    Raises:
        StreamferError: it could not start, or a stage failed.
    """
    console = Console(quiet=config.quiet)
    # Where both are the terminal, the log must know of the live view to stay above it.
    shared = console.is_terminal and sys.stderr.isatty() and not config.quiet
    configure_logging(config.log_level, console if shared else Console(stderr=True))
    config = dataclasses.replace(config, source=config.source or (_DEFAULT_SOURCE,))
    followed = None
    if read_sources is not None and config.shard is None and not _has_terminal():
        followed = FollowedSources(config.source, read_sources)
    with StopSignals(followed is not None) as signals:  # to the last line: they may come twice
        return _run(config, console, signals, followed)


def _run(
    config: RunConfig, console: Console, signals: StopSignals, followed: FollowedSources | None
) -> int:
    with (
        BuildProgress(console, config.quiet) as progress,
        Session.configured(config, progress, lambda: signals.count > 0) as session,
    ):
        feed = WindowFeed() if wants_window(config.display, console) else None
        page = _page(config)
        watchers = page.sinks if page else ()
        with page or nullcontext(), closing(session.job(feed=feed, watchers=watchers)) as job:
            if not job.streams:
                console.print(_nothing_to_do(config))
                return 0
            job.open_networks()
            progress.end()
            if signals.count:
                return INTERRUPTED
            if job.live:  # the end, where notes are printed, may be far
                for note in search_notes(config, job.streams):
                    console.print(f"note: {note}", style="yellow", markup=False, soft_wrap=True)
            if page is not None:
                say_page(page.show(job))
            try:
                outcome = _watch(job, feed, signals, console, followed)
            finally:
                if job.outcome is not None:
                    _conclude(job.outcome, console)
    return _exit_code(outcome)


def _has_terminal() -> bool:
    return any(s is not None and s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr))


def _nothing_to_do(config: RunConfig) -> str:
    if config.shard is not None and not config.skip_existing:
        return f"nothing to do: none of the sources is in shard {config.shard}"
    return "nothing to do: every output is complete"


def _page(config: RunConfig) -> LivePage | None:
    if config.web is None:
        return None
    from streamfer.app.web.page import LivePage  # takes 0.2 s to import

    return LivePage(config)


def _watch(
    job: Job,
    feed: WindowFeed | None,
    signals: StopSignals,
    console: Console,
    followed: FollowedSources | None,
) -> Outcome:
    """Runs a job with its window and live view."""
    with (
        Viewer(feed, job.config.snapshot_dir, console, job.claims) as viewer,
        LiveView(job.statistics.snapshot, console) as view,
    ):
        return job.run(_tick(job, signals, viewer, view, followed))


def _tick(
    job: Job,
    signals: StopSignals,
    viewer: Viewer,
    view: LiveView,
    followed: FollowedSources | None,
) -> Callable[[], None]:
    """What the main thread does between looks at the pipeline."""
    acted = 0

    def tick() -> None:
        nonlocal acted
        if viewer.poll():
            signals.count = max(signals.count, 1)
        if signals.count > acted:
            acted = signals.count
            viewer.release()
            job.stop() if acted == 1 else job.abort()
        elif signals.reread and followed is not None:
            signals.reread = False
            followed.follow(job)
        view.refresh()

    return tick


def _conclude(outcome: Outcome, console: Console) -> None:
    """Says what a run has seen and written."""
    print_summary(outcome.snapshot, console)
    for line in (*outcome.notes, *(f"wrote {path}" for path in outcome.files)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _exit_code(outcome: Outcome) -> int:
    """130 for an interrupted run, else that of the worst failure; each is said on stderr."""
    for _, error in outcome.failures:
        complain(str(error))
    if outcome.interrupted:
        return INTERRUPTED
    return outcome.failures[-1][1].exit_code if outcome.failures else 0
