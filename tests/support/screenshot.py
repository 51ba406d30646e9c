"""Pictures of a virtual display: `python -m tests.support.screenshot DISPLAY WIDTH HEIGHT`.

Taken by a process of its own: PyAV and OpenCV carry parts of the same X11 libraries, and where
OpenCV was loaded first the capture crashes.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from streamfer.types import UInt8Array


def screenshot(display: str, width: int, height: int) -> UInt8Array:
    """What a display shows: (height, width, 3) uint8 RGB."""
    command = [sys.executable, "-m", "tests.support.screenshot", display, str(width), str(height)]
    raw = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    return np.frombuffer(raw, dtype=np.uint8).reshape(height, width, 3)


def main(display: str, width: str, height: str) -> None:
    """Writes the first captured picture to stdout, RGB."""
    import av

    options = {"video_size": f"{width}x{height}"}
    with av.open(display, format="x11grab", options=options) as screen:
        frame = next(screen.decode(video=0))
        sys.stdout.buffer.write(frame.to_ndarray(format="rgb24").tobytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
