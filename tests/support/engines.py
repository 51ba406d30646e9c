"""Engines made by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from streamfer.engine import Array, TensorSpec


class FakeEngine:
    """An engine that answers with a function and notes what it was asked."""

    backend = "fake"
    device = "cpu"
    precision = "fp32"
    sha256 = "f" * 64

    def __init__(
        self,
        answer: Callable[[Mapping[str, Array]], dict[str, Array]],
        inputs: tuple[TensorSpec, ...] = (
            TensorSpec("images", np.dtype(np.uint8), (None, None, None, 3)),
        ),
        outputs: tuple[TensorSpec, ...] = (),
        name: str = "fake",
    ) -> None:
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
        self.calls: list[dict[str, Array]] = []
        self.closed = 0
        self._answer = answer

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        self.calls.append({name: np.array(value) for name, value in inputs.items()})
        return self._answer(inputs)

    def close(self) -> None:
        self.closed += 1
