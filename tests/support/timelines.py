"""Records and timelines made by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamfer.labels import LABELS
from streamfer.media.subtitles.cues import Cue
from streamfer.media.subtitles.timeline import Timeline
from streamfer.media.subtitles.wording import Wording

HEADER = {
    "schema": "streamfer.records/1",
    "streams": [
        {"stream": "talk", "source": "talk.mp4", "width": 640, "height": 360, "live": False}
    ],
    "labels": list(LABELS),
}

Face = tuple[int, str]
"""Track and emotion; one that ends in `?` is uncertain."""


def frame(index: int, faces: Sequence[Face], rate: float = 25.0) -> dict[str, Any]:
    """A frame's record."""
    return {
        "stream": "talk",
        "frame": index,
        "time_s": round(index / rate, 6),
        "dropped": 0,
        "faces": [
            {
                "track": track,
                "box": [100.0 * track, 80.0, 100.0 * track + 60, 140.0],
                "emotion": emotion.rstrip("?"),
                "trust": 0.2 if emotion.endswith("?") else 0.9,
            }
            for track, emotion in faces
        ],
    }


def write_records(path: Path, frames: Sequence[dict[str, Any]], **header: Any) -> Path:
    """A JSONL records file."""
    lines = [HEADER | header, *frames]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def timeline(*cues: Cue, wording: Wording | None = None, **changes: Any) -> Timeline:
    """A timeline of 20 s at 25 frames/s, of two persons unless told otherwise."""
    fields: dict[str, Any] = {
        "stream": "talk",
        "source": "talk.mp4",
        "size_wh": (640, 360),
        "duration_s": 20.0,
        "frame_rate": 25.0,
        "cues": cues
        or (
            Cue(1, "happy", 0.5, 3.25, (100, 80, 160, 140)),
            Cue(2, "sad", 1.0, 2.0, (300, 60, 380, 160)),
            Cue(1, "angry", 3.25, 3.875, (104, 80, 164, 140)),
        ),
        "wording": wording or Wording(),
    }
    return Timeline(**(fields | changes))
