"""Made-up records of made-up clips, with faces whose expressions are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from streamfer.labels import LABELS
from tests.support.clips import ClipSpec, make_clip

SIZE_WH = (320, 240)
TICK = Fraction(1, 1000)


def uneven_pts(frames: int) -> list[int]:
    """Milliseconds of a variable frame rate: steps of 20, 45 and 150."""
    pts = [0]
    for number in range(frames - 1):
        pts.append(pts[-1] + (20, 45, 150)[number % 3])
    return pts


def uneven_clip(path: Path, frames: int = 60) -> Path:
    """A clip of numbered pictures at a variable frame rate."""
    return make_clip(
        path, ClipSpec(frames=frames, size=SIZE_WH, pts=uneven_pts(frames), time_base=TICK)
    )


def made_face(track: int, emotion: str, share: float = 0.9, trust: float | None = 0.9) -> Any:
    """A face in the lower half of the picture."""
    rest = (1 - share) / (len(LABELS) - 1)
    probs = [share if label == emotion else rest for label in LABELS]
    x = 20 + 90 * (track - 1)
    return {
        "track": track,
        "box": [x, 160, x + 60, 220],
        "score": 0.99,
        "landmarks": [[x + 10, 180], [x + 50, 180], [x + 30, 195], [x + 15, 205], [x + 45, 205]],
        "emotion": emotion,
        "probs": probs,
        "smoothed": probs,
        "latent": None,
        "reconstruction_error": None,
        "trust": trust,
    }


def write_records(
    path: Path, times_ms: Sequence[int], faces: Sequence[Any] | None = None, source: str = ""
) -> Path:
    """Records with a frame at each time; by default face 1 is neutral, then happy from the half."""
    header = {
        "schema": "streamfer.records/1",
        "streams": [
            {"stream": "talk", "source": source, "width": 320, "height": 240, "live": False}
        ],
        "labels": list(LABELS),
        "label_set": "ferplus",
        "models": {"face": {"name": "made", "sha256": "ab" * 32}},
        "backend": "openvino",
    }
    lines = [header]
    for number, ms in enumerate(times_ms):
        emotion = "neutral" if number < len(times_ms) // 2 else "happy"
        seen = [made_face(1, emotion)] if faces is None else faces[number]
        lines.append(
            {"stream": "talk", "frame": number, "time_s": ms / 1000, "dropped": 0, "faces": seen}
        )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
