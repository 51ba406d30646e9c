"""Expressions that a classifier was never taught get no probability."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from streamfer.labels import LABELS

_NEVER = -1e4
"""Added to a logit: no probability is left in float32, and float16 can still hold it."""


def without_untaught(logits: Tensor, expressions: Sequence[str]) -> Tensor:
    """Logits [N7] with those of all but the given expressions lowered out of reach; as they are
    where all seven were taught, so that nothing is added to an exported network."""
    if len(expressions) == len(LABELS):
        return logits
    lower = [0.0 if label in expressions else _NEVER for label in LABELS]
    return logits + torch.tensor(lower, device=logits.device)
