"""Runs in the peer's environment: `fer` over the frames of a video, timed.

    python analyse.py VIDEO FRAMES...

For each number of frames it reads that many (from the start again at the end), asks `fer` for the
emotions of each, and prints seconds, CPU seconds and faces as one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time

import cv2
from fer.fer import FER  # type: ignore[import-not-found,import-untyped,unused-ignore]


def analyse(detector: FER, video: str, frames: int) -> dict[str, float]:
    """Analyses so many frames."""
    began_s, cores_began_s = time.perf_counter(), time.process_time()
    capture = cv2.VideoCapture(video)
    faces = 0
    for _ in range(frames):
        there, picture = capture.read()
        if not there:
            capture = cv2.VideoCapture(video)
            there, picture = capture.read()
        faces += len(detector.detect_emotions(picture))
    return {
        "frames": frames,
        "seconds": time.perf_counter() - began_s,
        "core_seconds": time.process_time() - cores_began_s,
        "faces": faces,
    }


if __name__ == "__main__":
    _, path, *counts = sys.argv
    fer = FER()
    analyse(fer, path, 5)
    for count in counts:
        print(json.dumps(analyse(fer, path, int(count))), flush=True)
