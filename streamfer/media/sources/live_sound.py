"""The sound of a live stream, over all its connections."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
from av.error import FFmpegError

from streamfer.media.sources.audio_clock import move
from streamfer.media.sources.sound import TravellingSound

_MOST_EARLY = 500
"""Packets of a connection that wait for its first picture: ten seconds' worth."""
_FARTHEST_S = 10.0
"""Sound that is farther away from its video belongs to a clock that has just jumped."""


class LiveSound(TravellingSound):
    """Sound that a live source brings beside its frames, on their repaired clock.

    Nobody may want it: what waits is bounded. After a break it goes on where its video does, as
    long as its format is the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.begin_clock("", follows_video=False)  # it is moved here
        self._described: Any = None
        self._format: tuple[object, ...] | None = None
        self._taken = False
        """Whether the sound of this connection can be used."""
        self._closed = False
        self._early: deque[Any] = deque(maxlen=_MOST_EARLY)
        self._shift_s: Fraction | None = None
        self._video_s = Fraction(0)

    def connect(self, stream: Any) -> None:
        """A new connection.

        Args:
            stream: its PyAV audio stream; None where it has none.
        """
        self._early.clear()
        self._shift_s = None
        context = None if stream is None else stream.codec_context
        self._taken = context is not None and not self._closed
        if context is None or self._closed:
            return
        form = (context.name, context.sample_rate, context.layout.nb_channels, context.extradata)
        if self._format is None:
            self._describe(stream)
            self._format = form
        elif form != self._format:
            self._taken = False
            self.problem = "it came back in another format"

    def bring(self, packet: Any) -> None:
        """Takes a packet of the connection, from the thread that reads it."""
        if not self._taken or packet.pts is None or packet.size == 0:
            return
        copy = av.Packet(bytes(packet))  # the connection's own dies with it
        copy.time_base, copy.duration = packet.time_base, packet.duration
        copy.pts, copy.dts = packet.pts, packet.pts if packet.dts is None else packet.dts
        copy.is_keyframe = packet.is_keyframe
        if self._shift_s is None:
            self._early.append(copy)
        else:
            self._place(copy, self._shift_s)

    def place(self, video_s: Fraction, shift_s: Fraction) -> None:
        """Says when the newest picture is, and how far that is from its own PTS, in seconds."""
        self._video_s, self._shift_s = video_s, shift_s
        while self._early:
            self._place(self._early.popleft(), shift_s)

    def close(self) -> None:
        """Lets go of what waits; the source may go on."""
        self._closed, self._taken = True, False
        super().close()

    def _place(self, packet: Any, shift_s: Fraction) -> None:
        move(packet, shift_s)
        if abs(packet.pts * packet.time_base - self._video_s) <= _FARTHEST_S:
            self.put(packet)

    def _describe(self, stream: Any) -> None:
        """Keeps a stream of the same kind that outlives the connection."""
        try:
            self._described = av.open(io.BytesIO(describe([stream])), format="nut")
            self.stream = self._described.streams.audio[0]
        except (FFmpegError, ValueError, IndexError) as error:
            self._taken = False
            self.problem = f"it cannot be carried ({error})"


def describe(streams: Sequence[Any]) -> bytes:
    """PyAV streams as a NUT file, which keeps their codecs' private data as it is.

    The one packet in it means nothing: a reader refuses a file without packets.
    """
    described = io.BytesIO()
    with av.open(described, "w", format="nut") as header:
        for stream in streams:
            header.add_stream_from_template(stream)
        header.start_encoding()
        header.mux(_filler(header.streams[0]))
    return described.getvalue()


def _filler(stream: Any) -> Any:
    packet = av.Packet(b"\0")
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = 0
    return packet
