"""Made-up records of made-up clips, with faces whose expressions are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

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
    path: Path,
    times_ms: Sequence[int],
    faces: Sequence[Any] | None = None,
    source: str = "",
    first: int = 0,
    run: str | None = None,
) -> Path:
    """Records with a frame at each time, numbered from the first; by default face 1 is neutral,
    then happy from the half. Without a run they are as older versions wrote them."""
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
    if run is not None:
        header["run"] = run
    lines = [header]
    for number, ms in enumerate(times_ms):
        emotion = "neutral" if number < len(times_ms) // 2 else "happy"
        seen = [made_face(1, emotion)] if faces is None else faces[number]
        lines.append(
            {
                "stream": "talk",
                "frame": first + number,
                "time_s": ms / 1000,
                "dropped": 0,
                "faces": seen,
            }
        )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def write_crowd(path: Path, seconds: int, fps: int, tracks: int, source: str = "") -> Path:
    """Records of many faces that are all there all the time, each with its own slow changes.

    Lines repeat every minute but for their number and time, so that hours are written quickly.
    """
    path = write_records(path, [], source=source)
    minute = [
        json.dumps([_crowd_face(track, frame / fps) for track in range(1, tracks + 1)])
        for frame in range(60 * fps)
    ]
    with path.open("a") as file:
        for frame in range(seconds * fps):
            file.write(
                f'{{"stream": "talk", "frame": {frame}, "time_s": {frame / fps:.6f}, "dropped": 0,'
                f' "faces": {minute[frame % len(minute)]}}}\n'
            )
    return path


def _crowd_face(track: int, time_s: float) -> Any:
    phase = int(time_s + 3 * track) % 60
    share = round(0.4 + 0.5 * abs(phase / 30 - 1), 4)
    face = made_face(track, LABELS[phase // 9], share, trust=round(0.3 + phase / 90, 3))
    left, top = 30 * ((track - 1) % 10) + 4.25, 130 + 50 * ((track - 1) // 10) + time_s % 1
    face["box"] = [left, round(top, 2), left + 22.5, round(top, 2) + 40.5]
    face["probs"] = face["smoothed"] = [round(prob, 6) for prob in face["probs"]]
    return face


def long_clip(path: Path, seconds: int, fps: int) -> Path:
    """Numbered pictures for hours: those of the first minute over and over, copied, not encoded.

    A picture's number is its frame's in its minute, modulo 256.
    """
    minute = make_clip(
        path.with_name("minute.mp4"),
        ClipSpec(
            frames=60 * fps,
            size=SIZE_WH,
            fps=Fraction(fps),
            options={"g": str(fps), "bf": "0", "preset": "ultrafast"},
        ),
    )
    with av.open(minute) as once, av.open(path, "w") as output:
        stream = once.streams.video[0]
        copy = output.add_stream_from_template(stream)
        packets = [(bytes(p), p.pts, p.is_keyframe) for p in once.demux(stream) if p.size]
        length = round(60 / stream.time_base)
        for number in range(seconds // 60):
            for payload, pts, is_keyframe in packets:
                packet = av.Packet(payload)
                packet.stream, packet.time_base = copy, stream.time_base
                packet.pts = packet.dts = pts + number * length
                packet.is_keyframe = is_keyframe
                output.mux(packet)
    return path
