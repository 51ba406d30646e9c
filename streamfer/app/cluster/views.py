"""Everything that shows a run on a cluster while it goes on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from rich.console import Console

from streamfer.app.cluster.figures import ClusterFigures
from streamfer.app.cluster.folder import JobFolder
from streamfer.app.cluster.metrics import ClusterMetrics
from streamfer.app.cluster.view import ClusterView
from streamfer.app.config import RunConfig
from streamfer.app.session.metrics import MetricsServer
from streamfer.app.terminal.page_line import say_page
from streamfer.errors import OutputError

log = logging.getLogger(__name__)

STATUS = "status.json"
STATUS_SCHEMA = "streamfer.status/1"
_STATUS_INTERVAL_S = 5.0
_LOOK_INTERVAL_S = 0.25
"""Between two looks at the figures."""


class ClusterViews:
    """The terminal, `status.json`, `--metrics` and `--web`; a context manager.

    Args:
        config: of the run.
        folder: of the run.
        figures: reads them; called by one thread.
        console: the terminal.

    Raises:
        ConfigError: an address is none.
        OutputError: it cannot be listened on.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: JobFolder,
        figures: Callable[[], ClusterFigures],
        console: Console,
    ) -> None:
        self._config = config
        self._folder = folder
        self._figures = figures
        self._console = console
        self._newest = figures()
        self._view = ClusterView(lambda: self._newest, console)
        self._stack = ExitStack()
        self._next_status_s = 0.0
        self._looked_s = 0.0
        self._complained = False

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._write_status)
            if self._config.metrics is not None:
                metrics = ClusterMetrics(lambda: self._newest)
                stack.enter_context(MetricsServer(self._config.metrics, metrics))
            if self._config.web is not None:
                from streamfer.app.cluster.page import ClusterPage  # takes 0.2 s to import

                page = stack.enter_context(ClusterPage(self._config, lambda: self._newest))
                say_page(page.url)
            stack.enter_context(self._view)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._newest = self._figures()
        self._stack.close()

    def refresh(self) -> None:
        """Shows the newest figures, where it is time to."""
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_INTERVAL_S:
            return
        self._looked_s = now_s
        self._newest = self._figures()
        self._view.refresh()
        if now_s >= self._next_status_s:
            self._next_status_s = now_s + _STATUS_INTERVAL_S
            self._write_status()

    def _write_status(self) -> None:
        """Writes what only informs: a shared disk that fails for a moment must not end the run."""
        told = {"schema": STATUS_SCHEMA, "updated": time.time(), **self._newest.to_dict()}
        try:
            self._folder.write_json(self._folder.path / STATUS, told)
        except OutputError as error:
            if not self._complained:
                log.warning("%s; the run goes on", error)
            self._complained = True
        else:
            self._complained = False
