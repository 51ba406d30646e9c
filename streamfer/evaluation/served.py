"""The face network as it is served: through an engine, in that engine's precision."""

from __future__ import annotations

import numpy as np

from streamfer.engine import Engine
from streamfer.types import FloatArray, UInt8Array

_BATCH = 64


def served_answers(engine: Engine, crops: UInt8Array) -> dict[str, FloatArray]:
    """What the network says of n faces, by output: (n, …) float32.

    Args:
        engine: of the served face network.
        crops: (n, 64, 64) uint8 gray aligned faces.

    Raises:
        EngineError: the engine failed.
    """
    parts: dict[str, list[FloatArray]] = {}
    for start in range(0, len(crops), _BATCH):
        answers = engine.run({"faces": crops[start : start + _BATCH]})
        for name, values in answers.items():
            parts.setdefault(name, []).append(np.asarray(values, dtype=np.float32))
    return {name: np.concatenate(found) for name, found in parts.items()}
