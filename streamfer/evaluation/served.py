"""The classifier as it is served: through an engine, in that engine's precision."""

from __future__ import annotations

import numpy as np

from streamfer.engine import Engine
from streamfer.labels import LABEL_SETS, LabelSet
from streamfer.types import FloatArray, UInt8Array

_BATCH = 64


def served_probabilities(engine: Engine, crops: UInt8Array) -> dict[LabelSet, FloatArray]:
    """(n, 7) float32 probabilities of both heads.

    Args:
        engine: of the served face network.
        crops: (n, 64, 64) uint8 gray aligned faces.

    Raises:
        EngineError: the engine failed.
    """
    parts: dict[LabelSet, list[FloatArray]] = {labels: [] for labels in LABEL_SETS}
    for start in range(0, len(crops), _BATCH):
        answers = engine.run({"faces": crops[start : start + _BATCH]})
        for labels in LABEL_SETS:
            # Engines may answer in memory that their next run overwrites.
            parts[labels].append(np.array(answers[f"probs_{labels}"], dtype=np.float32))
    return {labels: np.concatenate(found) for labels, found in parts.items()}
