"""The networks of a session: opened at their first use, lent to its runs, closed with it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from streamfer.app.config import RunConfig
from streamfer.app.networks.models import open_models
from streamfer.app.networks.refiner import RefinementConfig, open_refiner
from streamfer.app.networks.takeover import ServingNetworks
from streamfer.errors import ConfigError
from streamfer.pipeline.refine.refiner import Refiner
from streamfer.runtime.hardware import core_count
from streamfer.runtime.model import Progress
from streamfer.runtime.store.store import EngineStore


class SessionNetworks:
    """Opens networks and refiners once, for any number of runs, also at the same time.

    Args:
        config: names them.
        store: compiled engines.
        on_progress: told of builds that take a while.
    """

    def __init__(
        self,
        config: RunConfig,
        store: EngineStore,
        on_progress: Progress = lambda *_: None,
    ) -> None:
        self._config = config
        self._store = store
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._closed = False
        self._serving: ServingNetworks | None = None
        self._idle: list[Refiner] = []
        """Refiners that no run uses now; each is used by one at a time."""

    def open(
        self, *, at_once: bool = False, spare_core: bool = False, for_run: bool = False
    ) -> ServingNetworks:
        """The networks, opened if they are not yet.

        Args:
            at_once: whether live streams wait, so that what takes long to compile is left to the
                background.
            spare_core: whether an encoder keeps a core busy all the time, so that they leave it
                one, where nobody has said how many threads they get: a network's threads wait for
                each other, and in vain for one that has no core.
            for_run: whether a run will want a refiner, which then loads beside them.

        Raises:
            ConfigError: the session is closed, or a network is not to be had.
            EngineError: a network is missing, broken or cannot run here.
        """
        with self._lock:
            if self._closed:
                raise ConfigError("the session is closed; open a new one")
            if self._serving is None:
                config = replace(self._config, threads=self._threads(spare_core))

                def begin(refinement: RefinementConfig) -> None:
                    if for_run:
                        self._idle.append(_started(refinement))

                models = open_models(
                    config, self._store, self._on_progress, at_once=at_once, on_refinement=begin
                )
                self._serving = ServingNetworks(models)
            return self._serving

    @contextmanager
    def refiner(self) -> Iterator[Refiner | None]:
        """A refiner for one run; None where refinement is off or faces have no latent codes.

        It works where the face network does. On a CPU that is a process of its own, which may still
        be loading when this yields.

        Raises:
            EngineError: a network is missing, damaged, or cannot run on the device.
        """
        with self.open().serving() as models:
            refinement = models.refinement
        if refinement is None:
            yield None
            return
        with self._lock:
            refiner = self._idle.pop() if self._idle else None
        if refiner is None:
            refiner = _started(refinement)
        try:
            yield refiner
        finally:
            self._give_back(refiner)

    def close(self) -> None:
        """Frees everything; closing twice is fine."""
        with self._lock:
            self._closed = True
            serving, self._serving = self._serving, None
            idle, self._idle = self._idle, []
        for refiner in idle:
            refiner.close()
        if serving is not None:
            serving.close()

    def _threads(self, spare_core: bool) -> int:
        """Of a network; 0 for as many as help."""
        config = self._config
        if config.threads or not (spare_core or config.cpu_budget):
            return config.threads
        cores = core_count() - 1 if spare_core else core_count()
        return max(min(cores, int(config.cpu_budget or cores)), 1)

    def _give_back(self, refiner: Refiner) -> None:
        refiner.forget_all()
        with self._lock:
            if not self._closed and refiner.given_up is None:
                self._idle.append(refiner)
                return
        refiner.close()


def _started(refinement: RefinementConfig) -> Refiner:
    refiner = open_refiner(refinement)
    refiner.start()
    return refiner
