"""Sends a camera's transport stream over UDP whose picture ends while its sound goes on."""

from __future__ import annotations

import io
import itertools
import socket
from fractions import Fraction

import av
import numpy as np

from tests.support.background_sender import BackgroundSender

_RATE, _SAMPLES = 48_000, 1152
_CELL = 188
_SENT = 7 * _CELL


class SoundSender(BackgroundSender):
    """A second of pictures with sound, then its sound alone, for up to a minute.

    Args:
        port: where to, on the loopback interface.
    """

    def __init__(self, port: int) -> None:
        super().__init__()
        self._address = ("127.0.0.1", port)
        self._data = _stream(60)

    def _run(self) -> None:
        data, ends = self._data
        sent = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as camera:
            for end in itertools.chain(ends, [len(data)]):
                while sent + _SENT <= end:
                    camera.sendto(data[sent : sent + _SENT], self._address)
                    sent += _SENT
                if self._stop.wait(_SAMPLES / _RATE):
                    return


def _stream(seconds: int) -> tuple[bytes, list[int]]:
    """The stream, and where it is after every frame of sound."""
    file = io.BytesIO()
    options = {"flush_packets": "1", "max_interleave_delta": "1"}
    ends = []
    with av.open(file, "w", format="mpegts", options=options) as container:
        video = container.add_stream("mpeg2video", rate=25)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        video.codec_context.gop_size = 5
        sound = container.add_stream("mp2", rate=_RATE, layout="mono")
        pictures = 0
        for number in range(seconds * _RATE // _SAMPLES):
            if pictures < 25 and number * _SAMPLES / _RATE >= pictures / 25:
                image = np.full((64, 64, 3), 9 * pictures, np.uint8)
                picture = av.VideoFrame.from_ndarray(image, format="rgb24")
                picture.pts, picture.time_base = pictures, Fraction(1, 25)
                container.mux(video.encode(picture))
                pictures += 1
            quiet = np.zeros((1, _SAMPLES), np.int16)
            frame = av.AudioFrame.from_ndarray(quiet, format="s16", layout="mono")
            frame.sample_rate, frame.pts = _RATE, number * _SAMPLES
            container.mux(sound.encode(frame))
            ends.append(file.tell())
    return file.getvalue(), ends
