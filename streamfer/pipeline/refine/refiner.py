"""Refines the latent codes of tracked faces beside the frame path, which never waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self, TypeVar

import numpy as np

from streamfer.pipeline.refine.mailbox import Mailbox, RefineRequest, TrackKey
from streamfer.types import FloatArray, Refinement, UInt8Array

log = logging.getLogger(__name__)

T = TypeVar("T")


class RefineBackend(Protocol):
    """What does the optimisation: a child process on a CPU, the same thread on a GPU."""

    def start(self) -> None:
        """Begins to load; may return before it is ready. Called once, by the refiner's thread."""
        ...

    def refine(self, crops: UInt8Array, latents: FloatArray) -> Refinement:
        """Optimises the codes of faces and blocks until it is done.

        Args:
            crops: (N, S, S) uint8 gray aligned faces.
            latents: (N, num_ws, w_dim) float32 codes to start from.

        Raises:
            StreamferError: it failed; the next call starts afresh.
        """
        ...

    def interrupt(self) -> None:
        """Makes `refine` return or raise soon, now and in future. Called from any thread."""
        ...

    def close(self) -> None:
        """Frees everything; closing twice is fine."""
        ...


@dataclass(frozen=True, slots=True)
class RefinerConfig:
    """How often and how much at once."""

    every_s: float = 0.5
    """Media time between two refinements of one track, in seconds."""
    max_batch: int = 4
    """Faces that are optimised together."""
    max_failures: int = 3
    """Failures in a row after which refinement is given up for the rest of the run."""


@dataclass(frozen=True, slots=True, eq=False)
class RefinedFace:
    """What optimisation found for one face."""

    stream: str
    track_id: int
    time_s: float
    """Media time of the frame that the face is from, in seconds."""
    encoded: FloatArray = field(repr=False)
    """(num_ws, w_dim) float32: the encoder's estimate for that frame."""
    latent: FloatArray = field(repr=False)
    """(num_ws, w_dim) float32: the refined code."""
    reconstruction: UInt8Array = field(repr=False)
    """(R, R) uint8: the generator's picture of it."""
    reconstruction_error: float
    """Pixel MSE on a [0, 1] scale."""
    steps: int
    seconds: float
    """Wall-clock time of the batch that it was part of."""


class Refiner:
    """Owns the refinement thread; `request` and `results` are called by the analyzer.

    Args:
        backend: does the optimisation; closed with the refiner.
        config: how often.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        backend: RefineBackend,
        config: RefinerConfig | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend = backend
        self._config = config or RefinerConfig()
        self._clock = clock
        self._rest = 0.0
        self._mailbox = Mailbox(self._config.every_s)
        self._changed = threading.Condition()
        self._results: dict[TrackKey, RefinedFace] = {}
        self._busy = False
        self._wanted: set[str] = set()
        """Streams of the present batch that have not ended since it was taken; one that begins
        under the name of one that has is another."""
        self._closing = False
        self._failures = 0
        self._given_up: str | None = None
        self._thread = threading.Thread(target=self._run, name="refiner")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def given_up(self) -> str | None:
        """Why refinement was given up, or None while it works."""
        return self._given_up

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def rest(self, times: float) -> None:
        """From now on it rests after each batch for so many times as long as that took.

        For runs in which nobody sees the drawings, and for those that are to take little: even in
        idle time it takes from the caches and the clock rate of those who work.
        """
        with self._changed:
            self._rest = times
            self._changed.notify_all()

    def request(self, face: RefineRequest) -> None:
        """Offers a face of the present frame; returns at once."""
        with self._changed:
            if self._given_up is None and self._mailbox.offer(face):
                self._changed.notify_all()

    def results(self) -> list[RefinedFace]:
        """What has been refined since the last call: the newest per track."""
        with self._changed:
            found = list(self._results.values())
            self._results.clear()
            return found

    def forget(self, stream: str) -> None:
        """Drops what waits for a stream that has ended, and what is worked on."""
        with self._changed:
            self._mailbox.forget(stream)
            self._wanted.discard(stream)
            for key in [key for key in self._results if key[0] == stream]:
                del self._results[key]

    def forget_all(self) -> None:
        """Drops everything of a run that has ended, however it did."""
        with self._changed:
            self._mailbox = Mailbox(self._config.every_s)
            self._wanted.clear()
            self._results.clear()

    def wait_idle(self, timeout_s: float) -> bool:
        """Waits until nothing waits or is worked on; False when the time ran out first."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._given_up is not None or not (self._busy or len(self._mailbox)),
                timeout_s,
            )

    def close(self) -> None:
        """Stops, dropping what is under way, and joins the thread. Closing twice is fine."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._backend.interrupt()
        if self._thread.is_alive():
            self._thread.join()
        self._backend.close()

    def _run(self) -> None:
        self._attempt(self._backend.start)
        while batch := self._next_batch():
            began_s = self._clock()
            self._refine(batch)
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._rest_from(began_s)

    def _rest_from(self, began_s: float) -> None:
        """Rests from what began then, holding the condition; `rest` may change how long."""
        ended_s = self._clock()
        while not self._closing:
            left_s = ended_s + self._rest * (ended_s - began_s) - self._clock()
            if left_s <= 0:
                return
            self._changed.wait(left_s)

    def _next_batch(self) -> list[RefineRequest]:
        """Waits for requests; empty when the refiner is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._given_up or len(self._mailbox))
            if self._closing or self._given_up:
                return []
            self._busy = True
            batch = self._mailbox.take(self._config.max_batch)
            self._wanted = {face.stream for face in batch}
            return batch

    def _refine(self, batch: Sequence[RefineRequest]) -> None:
        crops = np.stack([face.crop for face in batch])
        latents = np.stack([face.start for face in batch])
        refinement = self._attempt(lambda: self._backend.refine(crops, latents))
        if refinement is None:
            return
        with self._changed:
            self._failures = 0
            for index, face in enumerate(batch):
                if face.stream in self._wanted:
                    self._results[face.key] = _refined(face, refinement, index)

    def _attempt(self, action: Callable[[], T]) -> T | None:
        """Runs a call to the backend; its failures are counted and never leave the thread."""
        try:
            return action()
        except Exception as error:
            with self._changed:
                if self._closing:
                    return None
                self._failures += 1
                if self._failures >= self._config.max_failures:
                    self._given_up = str(error)
                    self._changed.notify_all()
            log.warning("refinement failed (%d in a row): %s", self._failures, error)
            return None


def _refined(face: RefineRequest, refinement: Refinement, index: int) -> RefinedFace:
    return RefinedFace(
        stream=face.stream,
        track_id=face.track_id,
        time_s=face.time_s,
        encoded=face.latent,
        latent=refinement.latents[index],
        reconstruction=refinement.reconstructions[index],
        reconstruction_error=float(refinement.errors[index]),
        steps=refinement.steps,
        seconds=refinement.seconds,
    )
