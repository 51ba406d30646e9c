"""A progress bar for engines that are compiled on first use."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class BuildProgress:
    """Shows a bar per step, from the first report on; a context manager.

    Args:
        console: where to show it; on one that is no terminal each step is one line.
        quiet: whether to show nothing.
    """

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Takes the bars away; nothing more is built."""
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.stop()
        self._tasks.clear()

    def report(self, step: str, fraction: float) -> None:
        """Takes a report.

        Args:
            step: what is being done.
            fraction: how much of it is done, 0–1.
        """
        if self._quiet:
            return
        if step not in self._tasks:
            self._begin(step)
        if self._progress is not None:
            self._progress.update(self._tasks[step], completed=fraction)

    def note(self, line: str) -> None:
        """Shows a line of text."""
        if not self._quiet:
            self._console.print(line, markup=False, highlight=False)

    def _begin(self, step: str) -> None:
        if not self._console.is_terminal:
            self.note(f"{step} …")
            self._tasks[step] = TaskID(0)
            return
        if self._progress is None:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._progress.start()
            self._console.show_cursor()  # Ctrl-Z would leave a shell without one
        self._tasks[step] = self._progress.add_task(step, total=1.0)
