"""One connection to a live stream: from opening it to losing it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Self

import av
from av.codec.context import Flags, ThreadType
from av.stream import Discard

from streamfer.media.redact import redact_error
from streamfer.media.sources.demux import demuxed
from streamfer.media.sources.endpoint import Endpoint
from streamfer.media.sources.hardware import accelerator
from streamfer.media.sources.loss import STREAM_FAULTS, ConnectionLost, LossKind, odd_stream
from streamfer.media.sources.media_file import is_known_sound

ARRIVAL_TIME_BASE = Fraction(1, 1_000_000)
"""Of pictures that carry no time of their own and get that of their arrival."""

_UNTIMED_FORMATS = frozenset({"mpjpeg", "mjpeg", "jpeg_pipe"})
"""Formats whose PTS are made up."""

_PLAYLISTS = frozenset({"hls", "dash"})
"""Formats that say when a stream has ended, and keep what it last showed."""

_FILES_OF_PICTURES = "image2"
"""Format of addresses that end like a picture's; it cannot read without a declared length."""

_MAX_BAD_PACKETS = 250
"""Packets in a row that cannot be decoded before the stream counts as lost: ten seconds' worth."""


class Connection:
    """An open live stream; a context manager.

    Reads and opening block at most as long as their time-outs; nothing else can interrupt them.

    Args:
        endpoint: what to open.
        open_timeout_s: limit for opening, in seconds.
        clock: monotonic seconds.

    Raises:
        ConnectionLost: it cannot be opened.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        open_timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._relay = _start(endpoint.relay) if endpoint.relay else None
        self._still = False
        self._packets_given = 0
        try:
            self._container = self._open(open_timeout_s)
        except BaseException:
            _stop(self._relay)
            raise
        try:
            self._begin()
        except STREAM_FAULTS as error:
            self._close()
            raise odd_stream(error) from error
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        _stop(self._relay)
        self._container.close()

    def _begin(self) -> None:
        """Chooses the streams, and tells who wants their packets."""
        endpoint, streams = self._endpoint, self._container.streams
        if not streams.video:
            raise ConnectionLost("there is no video in it")
        playable = [video for video in streams.video if video.codec_context is not None]
        if not playable:
            raise ConnectionLost("FFmpeg has no decoder for its video", LossKind.UNSUPPORTED)
        self._video = playable[0]
        sound = [audio for audio in streams.audio if is_known_sound(audio)][:1]
        wanted = endpoint.packets is not None or endpoint.sound is not None
        self._kept = [self._video, *(sound if wanted else ())]
        kept = {stream.index for stream in self._kept}
        for stream in streams:
            if stream.index not in kept:
                # Else reading goes on in it, out of reach, for as long as no picture comes.
                stream.discard = Discard.all
        if endpoint.packets is not None:
            endpoint.packets.begin(self._kept)
        if endpoint.sound is not None:
            endpoint.sound.connect(sound[0] if sound and not self.untimed else None)
        context = self._video.codec_context
        # Threads per frame would add a frame's delay each.
        context.thread_type = ThreadType.SLICE
        context.flags |= Flags.low_delay

    @property
    def codec(self) -> str:
        """The video codec's name, such as `h264`."""
        return str(self._video.codec_context.name)

    @property
    def frame_rate(self) -> float | None:
        """Declared pictures per second."""
        rate = self._video.average_rate or self._video.guessed_rate
        return float(rate) if rate else None

    @property
    def time_base(self) -> Fraction:
        """Seconds per unit of the PTS that `pictures` gives."""
        return ARRIVAL_TIME_BASE if self.untimed else Fraction(self._video.time_base)

    @property
    def untimed(self) -> bool:
        """Whether pictures carry the time of their arrival instead of one of their own."""
        return self._relay is not None or self._container.format.name in _UNTIMED_FORMATS

    @property
    def finite(self) -> bool:
        """Whether its end is an end, and not a loss: a picture, or of a declared length."""
        return self._still or bool(self._container.duration)

    @property
    def is_complete_playlist(self) -> bool:
        """Whether it is a playlist that nothing is added to: a film, or a stream that has ended."""
        return self._container.format.name in _PLAYLISTS and bool(self._container.duration)

    @property
    def brought_one_jpeg(self) -> bool:
        """Whether one JPEG file was all it brought: a picture, or a film that broke off at once."""
        return self._container.format.name == "jpeg_pipe" and self._packets_given == 1

    @property
    def sample_aspect(self) -> Fraction | None:
        """Width of a pixel divided by its height."""
        return self._video.sample_aspect_ratio

    def pictures(self) -> Iterator[tuple[av.VideoFrame, int | None]]:
        """Decoded pictures with their PTS in `time_base`; what is damaged is left out.

        Raises:
            ConnectionLost: the stream broke off.
        """
        bad_packets = 0
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                bad_packets += 1
                if bad_packets >= _MAX_BAD_PACKETS:
                    raise ConnectionLost(f"cannot be decoded: {error.strerror}") from error
                continue
            for frame in frames:
                bad_packets = 0
                pts = frame.pts
                if self.untimed:
                    pts = round(self._clock() / ARRIVAL_TIME_BASE)
                yield frame, pts

    def _open(self, timeout_s: float) -> av.container.InputContainer:
        failure: ConnectionLost | None = None
        url = self._endpoint.url
        if self._relay is not None and self._relay.stdout is not None:
            url = f"pipe:{self._relay.stdout.fileno()}"
        for options in self._endpoint.variants:
            started_s = self._clock()
            try:
                return self._open_as(url, options, timeout_s)
            except (av.error.FFmpegError, ValueError) as error:
                silent = self._clock() - started_s >= timeout_s
                failure = self._endpoint.explain(error, timeout_s if silent else None)
                redact_error(error)
                failure.__cause__ = error
        assert failure is not None  # an endpoint has at least one variant
        raise failure

    def _open_as(
        self, url: str, options: Mapping[str, str], timeout_s: float
    ) -> av.container.InputContainer:
        """Opens it as what it seems to be, or else as what it may be.

        Raises:
            FFmpegError: it is nothing that FFmpeg knows, or cannot be reached.
        """

        def opened(format_name: str | None) -> av.container.InputContainer:
            return av.open(
                url,
                format=format_name,
                options=dict(options),
                timeout=(timeout_s, self._endpoint.read_timeout_s),
                metadata_errors="replace",  # cameras are named in old encodings, too
                hwaccel=accelerator(self._endpoint.hwaccel),
            )

        fallback = self._endpoint.fallback_format
        try:
            container = opened(self._endpoint.format)
        except av.error.InvalidDataError:
            if fallback is None:
                raise
            container = opened(fallback)
            if not _has_picture(container):
                container.close()
                raise
            return container
        found = container.format.name
        # JPEG files one after the other are a way to film; `…_pipe` of other kinds is a picture.
        self._still = found == _FILES_OF_PICTURES or (
            found.endswith("_pipe") and found != "jpeg_pipe"
        )
        if found == _FILES_OF_PICTURES and not _has_picture(container):
            context = container.streams.video[0].codec_context
            if context is None:
                return container  # and it is said that there is no decoder
            codec = context.name
            container.close()
            return opened("jpeg_pipe" if codec == "mjpeg" else f"{codec}_pipe")
        return container

    def _packets(self) -> Iterator[av.Packet]:
        packets = demuxed(self._container, self._kept)
        timeout_s = self._endpoint.read_timeout_s
        started_s = self._clock()
        while True:
            failure: av.error.FFmpegError | None = None
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                redact_error(error)
                failure = error
            # A read that times out may end with an error, or with what the parser still held.
            if self._clock() - started_s >= timeout_s:
                raise ConnectionLost(f"no data for {timeout_s:g} s", LossKind.SILENCE) from failure
            # Without a declared length the end of a picture looks like a loss.
            ended = self._still or self.brought_one_jpeg
            if isinstance(failure, av.error.EOFError) or (failure is not None and ended):
                return
            if failure is not None:
                raise ConnectionLost(f"connection lost: {failure.strerror}") from failure
            if packet is None:
                return
            if self._endpoint.packets is not None:
                self._endpoint.packets.add(packet)
            if packet.stream.index == self._video.index:
                self._packets_given += bool(packet.size)
                yield packet
                started_s = self._clock()  # sound alone is silence, too
            elif self._endpoint.sound is not None:
                self._endpoint.sound.bring(packet)


def _has_picture(container: av.container.InputContainer) -> bool:
    """Whether a picture was seen while it was opened."""
    contexts = [stream.codec_context for stream in container.streams.video]
    return any(context is not None and context.width for context in contexts)


def _start(command: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Starts a relay, out of reach of the terminal's Ctrl-C: its reader ends it."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _stop(relay: subprocess.Popen[bytes] | None) -> None:
    if relay is not None:
        relay.kill()
        with relay:  # closes the pipe and waits
            pass
