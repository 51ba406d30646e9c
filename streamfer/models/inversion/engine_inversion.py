"""The search for the code of a face through engines: what `Inverter` does, without torch."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from streamfer.engine import Array, Engine
from streamfer.models.inversion.descent import InversionConfig
from streamfer.models.inversion.optimisers import optimiser_for
from streamfer.types import FloatArray, Refinement, UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a search came to for one face. `first` and `best` are what the step answered, by the
    names of `models.refine_graphs.STEP_OUTPUTS`."""

    first: dict[str, Array] = field(repr=False)
    best: dict[str, Array] = field(repr=False)
    totals: tuple[float, ...] = field(repr=False)
    """Total loss before each step, and at the end."""
    seconds: float

    @property
    def steps(self) -> int:
        """Of the optimiser."""
        return len(self.totals) - 1


class EngineSearch:
    """Looks for the code of one face after the other. Used by one thread at a time.

    Args:
        target: what `models.refine_graphs.export_target` makes.
        step: what `models.refine_graphs.export_step` makes.
        config: how long and how hard; its weights are without effect, since the step has its own.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        target: Engine,
        step: Engine,
        config: InversionConfig,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._target = target
        self._step = step
        self._config = config
        self._clock = clock

    def search(self, crop: UInt8Array, code: FloatArray) -> Found:
        """Optimises the code of a face.

        Args:
            crop: (S, S) uint8 gray aligned face.
            code: (num_ws, w_dim) float32 to start from.

        Raises:
            EngineError: an engine failed.
        """
        began = self._clock()
        config = self._config
        fixed = {"start": code[None], **self._target.run({"faces": crop[None]})}
        offset, rate = np.zeros_like(code[None]), np.zeros(1, np.float32)
        optimiser = optimiser_for(config, offset, rate)
        totals: list[float] = []
        first: dict[str, Array] = {}
        best: dict[str, Array] = {}
        for taken in itertools.count():
            last = config.is_over(totals, self._clock() - began)
            found = self._step.run({"offset": offset, **fixed})
            totals.append(float(found["total"][0]))
            first = first or found
            if not best or found["total"] < best["total"]:
                best = found
            if last:
                break
            rate[...] = config.rate(taken)
            optimiser.move(found["gradient"])
        return Found(first, best, tuple(totals), self._clock() - began)


class EngineRefiner:
    """Optimises codes of faces, one after the other. Used by one thread at a time.

    Args:
        search: of one of them.
    """

    def __init__(self, search: EngineSearch) -> None:
        self._search = search

    def refine(self, crops: UInt8Array, latents: FloatArray) -> Refinement:
        """Optimises the codes of faces.

        Args:
            crops: (N, S, S) uint8 gray aligned faces.
            latents: (N, num_ws, w_dim) float32 codes to start from.

        Raises:
            EngineError: an engine failed.
        """
        pairs = zip(crops, latents, strict=True)
        found = [self._search.search(crop, code) for crop, code in pairs]
        return Refinement(
            latents=np.concatenate([one.best["codes"] for one in found]),
            reconstructions=np.stack([drawn(one.best) for one in found]),
            errors=np.concatenate([one.best["mse"] for one in found]),
            steps=max(one.steps for one in found),
            seconds=sum(one.seconds for one in found),
        )


def drawn(answer: dict[str, Array]) -> UInt8Array:
    """The picture in what a step answered, (S, S) uint8 gray."""
    return np.clip(np.rint((answer["image"][0, 0] + 1) * 127.5), 0, 255).astype(np.uint8)
