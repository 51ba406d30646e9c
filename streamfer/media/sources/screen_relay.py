"""Writes a desktop to standard output as NUT: a program of its own, started by its path.

PyAV and OpenCV carry parts of the same X11 libraries under the same names. Whichever is loaded
first gives them to the other: after OpenCV capturing crashes, after PyAV windows hang. So the
program loads OpenCV first, and capturing is done where OpenCV is not.
"""

from __future__ import annotations

import sys

import av


def main(display: str) -> None:
    """Copies packets until the reader goes away.

    Args:
        display: the X11 display, with an optional corner to start from.
    """
    with (
        av.open(display, format="x11grab", options={"framerate": "30"}) as screen,
        av.open(sys.stdout.buffer, "w", format="nut", options={"flush_packets": "1"}) as relay,
    ):
        source = screen.streams.video[0]
        target = relay.add_stream_from_template(source)
        for packet in screen.demux(source):
            if packet.dts is not None:
                packet.stream = target
                relay.mux(packet)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (av.error.FFmpegError, BrokenPipeError):
        sys.exit(1)  # the reader says what it misses
