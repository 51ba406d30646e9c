"""What makes an event, from the configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from streamfer.app.config import RunConfig
from streamfer.app.networks.own_weights import read_own_weights
from streamfer.errors import ConfigError
from streamfer.labels import LABELS
from streamfer.pipeline.baseline import BASELINE_FIELDS
from streamfer.pipeline.events.detector import EventConfig
from streamfer.pipeline.events.grammar import parse_rule
from streamfer.vision.heads.head import FaceHead, head_fields


def event_config(config: RunConfig, heads: Sequence[FaceHead]) -> EventConfig | None:
    """What makes an event in a run; None where none are asked for.

    Raises:
        ConfigError: a rule is none; the message says where. Or it waits for an expression that
            one's own weights were never taught.
    """
    fields = (*head_fields(heads), *(BASELINE_FIELDS if config.baseline else ()))
    numbers = [spec.name for spec in fields if spec.kind in ("integer", "number")]
    _check_taught(config)
    rules = [parse_rule(text, numbers) for text in config.event]
    return EventConfig.from_rules(rules) if config.events else None


def _check_taught(config: RunConfig) -> None:
    own = Path(config.face_model)
    if not config.event or own.suffix != ".safetensors":
        return
    taught = read_own_weights(own).taught.expressions
    for text in config.event:
        for word in re.findall(r"\w+", text.partition(":")[2]):
            if word in LABELS and word not in taught:
                raise ConfigError(
                    f"--event {text!r}: {own.name} was never taught {word};"
                    f" it knows {', '.join(taught)}"
                )
