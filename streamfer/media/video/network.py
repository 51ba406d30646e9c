"""A stream's annotated video, sent to a media server or player while it is made."""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.error import FFmpegError

from streamfer.errors import ConfigError
from streamfer.media.files.output_path import reason
from streamfer.media.redact import redact_text, redact_url
from streamfer.media.video.file import VideoConfig
from streamfer.media.video.yuv import YuvConverter
from streamfer.types import Frame, UInt8Array

log = logging.getLogger(__name__)

_ADDRESS = re.compile(r"(rtsp|rtsps|rtmp|rtmps|srt|udp):/+(?=[^/])", re.IGNORECASE)
_FORMATS = {
    "rtsp": "rtsp",
    "rtsps": "rtsp",
    "rtmp": "flv",
    "rtmps": "flv",
    "srt": "mpegts",
    "udp": "mpegts",
}
"""Scheme to FFmpeg's name of what is sent there."""
_OPTIONS: dict[str, dict[str, str]] = {
    "rtsp": {"rtsp_transport": "tcp"},
    "mpegts": {"flush_packets": "1", "muxdelay": "0", "muxpreload": "0"},
    "flv": {"flush_packets": "1", "flvflags": "no_duration_filesize"},
}
_TICKS = 90_000
"""PTS per second."""
_KEYFRAME_EVERY_S = 1
"""How long whoever joins waits for a picture, in seconds."""
_TIMEOUT_S = 5.0
_BACKOFF_S = (0.5, 10.0)
"""The first pause after a failure, and the longest."""
_MOST_WAITING = 2
"""Pictures between the run and the encoder; of more the oldest are dropped."""
_LOW_DELAY: dict[str, dict[str, str]] = {
    "libx264": {"tune": "zerolatency", "preset": "superfast"},
    "libx265": {"tune": "zerolatency", "preset": "ultrafast"},
    "h264_nvenc": {"tune": "ull", "preset": "p2", "delay": "0", "zerolatency": "1"},
    "hevc_nvenc": {"tune": "ull", "preset": "p2", "delay": "0", "zerolatency": "1"},
}


@dataclass(frozen=True, slots=True)
class NetworkAddress:
    """Where video is sent to."""

    url: str = field(repr=False)
    """Credentials and all; never shown."""

    @property
    def label(self) -> str:
        """Without credentials."""
        return redact_url(self.url)

    @property
    def format(self) -> str:
        """FFmpeg's name of what is sent there."""
        return _FORMATS[self.url.partition(":")[0]]


def network_address(output: str) -> NetworkAddress | None:
    """The address that an output names; None of a file.

    Args:
        output: as the user named it, or as a path, which has lost a slash after the scheme.
    """
    found = _ADDRESS.match(output)
    if found is None:
        return None
    url = f"{found.group(1).lower()}://{output[found.end() :]}"
    if url.startswith("udp:") and "pkt_size=" not in url:
        url += ("&" if "?" in url else "?") + "pkt_size=1316"  # whole packets of MPEG-TS
    return NetworkAddress(url)


def check_network_address(address: NetworkAddress) -> None:
    """Finds out before a run whether FFmpeg can send there at all.

    Raises:
        ConfigError: it was built without the protocol.
    """
    scheme = address.url.partition(":")[0]
    if scheme not in ("srt", "rtmp", "rtmps"):
        return
    try:
        av.open(f"{scheme}://127.0.0.1:0", timeout=0.01).close()
    except av.error.ProtocolNotFoundError as error:
        raise ConfigError(
            f"--output {address.label}: FFmpeg here was built without {scheme}; send by another"
            " protocol"
        ) from error
    except (FFmpegError, OSError, ValueError):
        pass  # nobody is there


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    time_s: Fraction
    image: UInt8Array


class NetworkVideo:
    """Encodes and sends pictures from a thread of its own; opened anew whenever it breaks off.

    Neither a server that is away nor one that is slow holds the run: what it cannot take is
    dropped, and counted.

    Args:
        address: where to.
        config: encoder settings; the preset and low-delay settings are its own where none is said.
        frame_rate: nominal frames/s.
        open_output: opens the connection, as `av.open`.
        wait: waits for a flag at most so many seconds.
    """

    def __init__(
        self,
        address: NetworkAddress,
        config: VideoConfig,
        frame_rate: Fraction,
        open_output: Callable[..., Any] = av.open,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self.dropped = 0
        """Pictures that were not sent."""
        self.connections = 0
        """How often it has been opened."""
        self._address = address
        self._config = config
        self._rate = frame_rate
        self._open_output = open_output
        self._wait = wait
        self._pictures: deque[_Picture] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._complained = False
        self._thread = threading.Thread(target=self._run, name=f"send {address.label}")
        self._thread.start()

    def write(self, frame: Frame, picture: UInt8Array) -> None:
        """Takes a picture to send; returns at once.

        Args:
            frame: whose time it has.
            picture: (H, W, 3) uint8 RGB, which must not change afterwards.
        """
        with self._changed:
            while len(self._pictures) >= _MOST_WAITING:
                self._pictures.popleft()
                self.dropped += 1
            self._pictures.append(_Picture(frame.pts * frame.time_base, picture))
            self._changed.notify()

    def close(self) -> None:
        """Sends what waits, if there is a connection, and ends; closing twice is fine."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._thread.join()

    def _next(self) -> _Picture | None:
        """The next picture; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._pictures or self._closing.is_set())
            taken = self._pictures.popleft() if self._pictures else None
            self._changed.notify_all()
            return taken

    def _run(self) -> None:
        failures = 0
        picture = self._next()
        while picture is not None:
            sent = 0
            try:
                connection = _Connection(
                    self._address, self._config, self._rate, picture, self._open_output
                )
                try:
                    while picture is not None and connection.fits(picture):
                        connection.send(picture)  # the first one connects
                        self.connections += sent == 0
                        sent += 1
                        self._complained = False
                        picture = self._next()
                finally:
                    connection.close()
                failures = 0
            except (FFmpegError, OSError, ValueError) as error:
                failures = 1 if sent else failures + 1
                self.dropped += 1
                self._complain(redact_text(reason(error)))
                self._wait(self._closing, _pause_s(failures))
                picture = None if self._closing.is_set() else self._next()

    def _complain(self, why: str) -> None:
        if not self._complained:
            self._complained = True
            log.warning("--output %s: %s; trying again", self._address.label, why)


class _Connection:
    """One encoder and one connection, for pictures of one size."""

    def __init__(
        self,
        address: NetworkAddress,
        config: VideoConfig,
        rate: Fraction,
        first: _Picture,
        open_output: Callable[..., Any],
    ) -> None:
        self._size_wh = _size_wh(first)
        self._begin_s = first.time_s
        self._last_pts = -1
        self._converter = YuvConverter(self._size_wh)
        self._container = open_output(
            address.url,
            "w",
            format=address.format,
            container_options=_OPTIONS[address.format],
            timeout=_TIMEOUT_S,
        )
        try:
            self._stream = self._container.add_stream(config.encoder, rate=rate)
            context = self._stream.codec_context
            context.width, context.height = self._converter.size_wh
            context.pix_fmt = "yuv420p"
            context.time_base = Fraction(1, _TICKS)
            context.framerate = rate
            context.gop_size = max(round(rate * _KEYFRAME_EVERY_S), 1)
            context.max_b_frames = 0
            options = dict(_LOW_DELAY.get(config.encoder, {}))
            if config.preset is not None:
                options["preset"] = config.preset
            if config.encoder.startswith("libx26"):
                options["crf"] = str(config.crf)
            context.options = options
            self._converter.tag(context)
        except BaseException:
            self._container.close()
            raise

    def fits(self, picture: _Picture) -> bool:
        """Whether it has the size that the encoder was opened with."""
        return _size_wh(picture) == self._size_wh

    def send(self, picture: _Picture) -> None:
        """Encodes and sends one picture."""
        frame = self._converter.convert(picture.image)
        pts = max(round((picture.time_s - self._begin_s) * _TICKS), self._last_pts + 1)
        self._last_pts = frame.pts = pts
        frame.time_base = Fraction(1, _TICKS)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Sends what is inside the encoder and says goodbye."""
        try:
            if self._last_pts >= 0:
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()


def _size_wh(picture: _Picture) -> tuple[int, int]:
    height, width = picture.image.shape[:2]
    return width, height


def _pause_s(failures: int) -> float:
    shortest, longest = _BACKOFF_S
    return min(shortest * 2.0 ** min(failures - 1, 16), longest)
