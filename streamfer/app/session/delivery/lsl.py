"""`--lsl`: probabilities and events as streams of the Lab Streaming Layer."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from streamfer.errors import ConfigError
from streamfer.labels import LABELS
from streamfer.types import FrameResult, StreamEvent

_MOST_SLOTS = 8
"""Faces of one stream that have an outlet at a time."""
_FREE_AFTER_S = 1.0
"""A slot is another face's once its own has not been seen for so long, in media time."""


def load_lsl() -> Any:
    """The module `pylsl`.

    Raises:
        ConfigError: it is not installed, or finds no liblsl.
    """
    try:
        import pylsl
    except (ImportError, RuntimeError) as error:
        raise ConfigError("--lsl: needs pylsl; type: pip install 'streamfer[lsl]'") from error
    return pylsl


class LslSink:
    """One stream's outlets: seven probabilities per face slot, and events as markers.

    A face keeps its slot while it is there; the first free one is taken. Samples are irregular and
    carry the moment at which the frame left the decoder, on LSL's clock. While a slot has no face
    it is silent.

    Args:
        stream: the stream's name.
        lsl: the module `pylsl`.
        clock: the pipeline's monotonic clock, in seconds.
    """

    def __init__(self, stream: str, lsl: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = f"LSL of {stream}"
        self._stream = stream
        self._lsl = lsl
        self._clock = clock
        self._slots: list[Any] = []
        """The outlets of faces, made when they are needed."""
        self._owners: list[tuple[int, float]] = []
        """For each slot, the track that has it and when that was last seen."""
        self._markers = self._outlet("events", "Markers", ["event"], "string")

    def write(self, result: FrameResult) -> None:
        """Sends a frame's probabilities."""
        frame = result.frame
        moment = self._lsl.local_clock() - (self._clock() - frame.decoded_at_s)
        for face in result.faces:
            slot = self._slot(face.track_id, frame.time_s)
            if slot is not None:
                self._owners[slot] = (face.track_id, frame.time_s)
                self._slots[slot].push_sample(face.smoothed.tolist(), moment)

    def event(self, event: StreamEvent) -> None:
        """Sends an event's line as a marker."""
        self._markers.push_sample([json.dumps(event.to_dict(), ensure_ascii=False)])

    def close(self) -> None:
        """Takes the outlets back; closing twice is fine.

        liblsl takes 25 ms to end each, for which nobody waits but the end of the process.
        """
        if self._markers is None:
            return
        outlets = [*self._slots, self._markers]
        self._slots, self._owners, self._markers = [], [], None
        threading.Thread(target=outlets.clear, name="lsl-end").start()

    def _slot(self, track: int, time_s: float) -> int | None:
        """The slot of a face, or None where all are taken."""
        for slot, (owner, _) in enumerate(self._owners):
            if owner == track:
                return slot
        for slot, (_, seen_s) in enumerate(self._owners):
            if time_s - seen_s >= _FREE_AFTER_S:
                return slot
        if len(self._slots) >= _MOST_SLOTS:
            return None
        number = len(self._slots) + 1
        self._slots.append(self._outlet(f"face {number}", "Expression", list(LABELS), "float32"))
        self._owners.append((track, time_s))
        return number - 1

    def _outlet(self, what: str, kind: str, channels: list[str], form: str) -> Any:
        name = f"streamfer {self._stream} {what}"
        info = self._lsl.StreamInfo(name, kind, len(channels), 0.0, form, name)
        described = info.desc().append_child("channels")
        for label in channels:
            described.append_child("channel").append_child_value("label", label)
        return self._lsl.StreamOutlet(info)
