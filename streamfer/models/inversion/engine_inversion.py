"""The search for the code of a face through engines: what `Inverter` does, without torch."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from streamfer.engine import Array, Engine
from streamfer.models.inversion.descent import BETAS, EPSILON, InversionConfig
from streamfer.types import FloatArray, Refinement, UInt8Array


class EngineRefiner:
    """Optimises codes of faces, one after the other. Used by one thread at a time.

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

    def refine(self, crops: UInt8Array, latents: FloatArray) -> Refinement:
        """Optimises the codes of faces.

        Args:
            crops: (N, S, S) uint8 gray aligned faces.
            latents: (N, num_ws, w_dim) float32 codes to start from.

        Raises:
            EngineError: an engine failed.
        """
        began = self._clock()
        found = [self._search(crop, code) for crop, code in zip(crops, latents, strict=True)]
        images = np.concatenate([best.image[:, 0] for best in found])
        return Refinement(
            latents=np.concatenate([best.codes for best in found]),
            reconstructions=np.clip(np.rint((images + 1) * 127.5), 0, 255).astype(np.uint8),
            errors=np.concatenate([best.mse for best in found]),
            steps=max(best.steps for best in found),
            seconds=self._clock() - began,
        )

    def _search(self, crop: UInt8Array, code: FloatArray) -> _Best:
        began = self._clock()
        config = self._config
        fixed = {"start": code[None], **self._target.run({"faces": crop[None]})}
        descent = _Descent(np.zeros_like(code[None]))
        totals: list[float] = []
        best: dict[str, Array] = {}
        for taken in itertools.count():
            last = config.is_over(totals, self._clock() - began)
            found = self._step.run({"offset": descent.offset, **fixed})
            totals.append(float(found["total"][0]))
            if not best or found["total"] < best["total"]:
                best = found
            if last:
                break
            descent.move(found["gradient"], config.rate(taken))
        return _Best(best["codes"], best["image"], best["mse"], len(totals) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Best:
    codes: FloatArray = field(repr=False)
    image: FloatArray = field(repr=False)
    mse: FloatArray
    steps: int


class _Descent:
    """Adam (Kingma and Ba, 2015) on the offset of one face's code."""

    def __init__(self, offset: FloatArray) -> None:
        self.offset = offset
        self._mean, self._square = np.zeros_like(offset), np.zeros_like(offset)
        self._count = 0

    def move(self, gradient: FloatArray, rate: float) -> None:
        self._count += 1
        self._mean += (1 - BETAS[0]) * (gradient - self._mean)
        self._square += (1 - BETAS[1]) * (gradient * gradient - self._square)
        mean = self._mean / (1 - BETAS[0] ** self._count)
        square = self._square / (1 - BETAS[1] ** self._count)
        self.offset = self.offset - np.float32(rate) * mean / (np.sqrt(square) + EPSILON)
