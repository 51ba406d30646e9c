"""What makes an event, from the configuration."""

from __future__ import annotations

from collections.abc import Sequence

from streamfer.app.config import RunConfig
from streamfer.pipeline.baseline import BASELINE_FIELDS
from streamfer.pipeline.events.detector import EventConfig
from streamfer.pipeline.events.grammar import parse_rule
from streamfer.vision.heads.head import FaceHead, head_fields


def event_config(config: RunConfig, heads: Sequence[FaceHead]) -> EventConfig | None:
    """What makes an event in a run; None where none are asked for.

    Raises:
        ConfigError: a rule is none; the message says where.
    """
    fields = (*head_fields(heads), *(BASELINE_FIELDS if config.baseline else ()))
    numbers = [spec.name for spec in fields if spec.kind in ("integer", "number")]
    rules = [parse_rule(text, numbers) for text in config.event]
    return EventConfig.from_rules(rules) if config.events else None
