"""`--web` of a run: the server between the opening of the run's sources and its end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

from streamfer.app.address import parse_address
from streamfer.app.allowed_sources import allowed_sources
from streamfer.app.config import RunConfig
from streamfer.app.session.job import Job
from streamfer.app.web.access import is_loopback
from streamfer.app.web.frames import LiveFrames
from streamfer.app.web.listening import WebConfig, listen
from streamfer.app.web.live_run import JobRun
from streamfer.app.web.server import WebServer
from streamfer.pipeline.outlet import Sink


class LivePage:
    """The live page of a run; a context manager that takes its port and ends its server.

    Args:
        config: of the run, with `web`.

    Raises:
        ConfigError: the address is none.
    """

    def __init__(self, config: RunConfig) -> None:
        assert config.web is not None
        host, port = parse_address(config.web, "--web")
        certificate, key = config.web_tls or (None, None)
        self._config = WebConfig(host, port, certificate, key)
        self._allowed = None
        if config.web_sources is not None or not is_loopback(host):
            self._allowed = allowed_sources(config.web_sources, config.source)
        self._frames = LiveFrames()
        self._stack = ExitStack()

    @property
    def sinks(self) -> Sequence[Sink]:
        """What the run's streams must be watched by."""
        return (self._frames,)

    def show(self, job: Job) -> str:
        """Starts the server.

        Returns:
            Where the page is, with a token if it can be reached from other machines.

        Raises:
            ConfigError: it does not start.
        """
        self._frames.strip_figures = job.statistics.strip_figures
        run = JobRun(job, self._allowed)
        server = WebServer(self._config, run, self._frames, self._listening)
        return self._stack.enter_context(server).url

    def __enter__(self) -> Self:
        """Takes the port, before anything that takes a while.

        Raises:
            ConfigError: it cannot listen there, or the certificate is none.
        """
        self._listening = self._stack.enter_context(listen(self._config))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
