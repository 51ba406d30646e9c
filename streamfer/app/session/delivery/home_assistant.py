"""How the streams of a run are described to Home Assistant (its MQTT discovery)."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterable
from typing import Any

_DISCOVERY = "homeassistant"
"""Where it looks for entities."""


class ObjectIds:
    """The streams' parts of discovery topics, which take `[a-zA-Z0-9_-]` only; of any thread.

    Home Assistant knows an entity by its id for good, so a name alone decides it where it can:
    what is neither letter, digit nor `_` becomes `_`. Names with other letters, and those whose
    id is another stream's, have their hash behind it.

    Args:
        prefix: what all of the run's topics begin with.
        streams: those known beforehand, so that it is not the first to be seen who has an id.
    """

    def __init__(self, prefix: str, streams: Iterable[str] = ()) -> None:
        self._prefix = prefix
        self._lock = threading.Lock()
        self._ids: dict[str, str] = {}
        """By stream."""
        self._taken: set[str] = set()
        # Who is called just like an id comes first.
        for stream in sorted(streams, key=lambda name: (_word(name) != name, name)):
            self.of(stream)

    def of(self, stream: str) -> str:
        """A stream's."""
        with self._lock:
            if stream not in self._ids:
                found = _word(name := f"{self._prefix}_{stream}")
                if not found.isascii() or found in self._taken:
                    readable = re.sub(r"\W", "_", name, flags=re.ASCII)
                    found = f"{readable}_{short_hash(f'{self._prefix}/{stream}')}"
                self._ids[stream] = found
                self._taken.add(found)
            return self._ids[stream]


def entities(prefix: str, stream: str, object_id: str, topic: str) -> dict[str, dict[str, Any]]:
    """A stream's entities: their configurations, by the topic of each.

    Args:
        prefix: what all of the run's topics begin with.
        stream: the stream's name.
        object_id: the stream's, of `ObjectIds`.
        topic: what the stream's topics begin with.
    """
    found = {}
    for component, name, config in _kinds(topic):
        entity_id = f"streamfer_{object_id}_{name}"
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


def _word(name: str) -> str:
    return re.sub(r"\W", "_", name)


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
