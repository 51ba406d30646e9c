"""How the streams of a run are described to Home Assistant (its MQTT discovery)."""

from __future__ import annotations

import hashlib
import re
from typing import Any

_DISCOVERY = "homeassistant"
"""Where it looks for entities."""


def entities(prefix: str, stream: str, topic: str) -> dict[str, dict[str, Any]]:
    """A stream's entities: their configurations, by the topic of each.

    Args:
        prefix: what all of the run's topics begin with.
        stream: the stream's name.
        topic: what the stream's topics begin with.
    """
    found = {}
    for component, name, config in _kinds(topic):
        entity_id = f"streamfer_{object_id(prefix, stream)}_{name}"
        found[f"{_DISCOVERY}/{component}/{entity_id}/config"] = {
            "name": name,
            "unique_id": entity_id,
            "availability_topic": f"{prefix}/status",
            "device": {
                "identifiers": [f"streamfer_{prefix}_{stream}"],
                "name": stream,
                "manufacturer": "Streamfer",
            },
            **config,
        }
    return found


def object_id(prefix: str, stream: str) -> str:
    """A stream's part of a discovery topic, which takes `[a-zA-Z0-9_-]` only.

    What is something else becomes `_`; the name's hash then keeps it apart from its like.
    """
    place = re.sub(r"[^a-zA-Z0-9_]", "_", prefix)
    if prefix.isascii() and re.fullmatch(r"[a-zA-Z0-9_-]+", stream):
        return f"{place}_{stream}"
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", stream)
    return f"{place}_{name}_{short_hash(f'{prefix}/{stream}')}"


def short_hash(name: str) -> str:
    """Eight characters that tell names apart which otherwise look alike."""
    return hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=4).hexdigest()


def _kinds(topic: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(component, name, configuration) of what it shows of a stream."""
    happened = (
        "{{ {'event_type': value_json.event, 'track': value_json.track|default(none)}|tojson }}"
    )
    kinds = ["face_appeared", "face_left", "expression_changed", "expression_held", "reaction"]
    kinds += ["rule", "opened", "disconnected", "reconnected", "changed", "error"]
    state = {"state_topic": f"{topic}state"}
    return [
        ("sensor", "faces", state | {"value_template": "{{ value_json.faces }}"}),
        ("sensor", "emotion", state | {"value_template": "{{ value_json.emotion }}"}),
        (
            "binary_sensor",
            "presence",
            state
            | {
                "device_class": "occupancy",
                "value_template": "{{ 'ON' if value_json.faces else 'OFF' }}",
            },
        ),
        (
            "event",
            "event",
            {"state_topic": f"{topic}event", "event_types": kinds, "value_template": happened},
        ),
    ]
