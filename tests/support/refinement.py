"""Refinement made by hand."""

from __future__ import annotations

import threading

import numpy as np

from streamfer.errors import EngineError
from streamfer.pipeline.refine.refiner import RefinedFace, Refiner
from streamfer.types import FloatArray, Refinement, UInt8Array

EAGER_WORKER = "tests.support.eager_worker"
"""The module of a child that does not wait for idle time."""


class FakeBackend:
    """Adds one to every latent, when it is let; fails as often as told."""

    def __init__(self, failures: int = 0, held: bool = False) -> None:
        self.failures = failures
        self.batches: list[int] = []
        self.entered = threading.Event()
        self.released = threading.Event()
        self.closed = 0
        if not held:
            self.released.set()

    def start(self) -> None:
        pass

    def refine(self, crops: UInt8Array, latents: FloatArray) -> Refinement:
        self.entered.set()
        self.released.wait()
        self.batches.append(len(crops))
        if self.failures:
            self.failures -= 1
            raise EngineError("the backend failed")
        errors = crops.reshape(len(crops), -1).mean(axis=1).astype(np.float32)
        return Refinement(latents + 1, crops, errors, steps=7, seconds=0.5)

    def interrupt(self) -> None:
        self.released.set()

    def close(self) -> None:
        self.closed += 1


class PatientRefiner(Refiner):
    """Lets batches wait for what was asked before, so that runs are the same on every machine, but
    for how many frames are in the first batch, for which nothing has been asked yet."""

    def results(self) -> list[RefinedFace]:
        assert self.wait_idle(120)
        return super().results()
