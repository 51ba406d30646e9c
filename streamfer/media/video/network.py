"""A stream's annotated video, sent to a media server or player while it is made."""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
from av.error import FFmpegError

from streamfer.errors import ConfigError, SourceError
from streamfer.media.files.output_path import reason
from streamfer.media.redact import redact_text
from streamfer.media.sources.sound import Sound, TravellingSound
from streamfer.media.video.audio import AudioReader, AudioSpan
from streamfer.media.video.encoder import VideoConfig
from streamfer.media.video.network_connection import (
    NetworkAddress,
    NetworkConnection,
    SentPicture,
)
from streamfer.media.video.sending_program import has_protocol, hides_secrets, sending_program
from streamfer.types import Frame, UInt8Array

log = logging.getLogger(__name__)

_ADDRESS = re.compile(r"(rtsp|rtsps|rtmp|rtmps|srt|udp):/+(?=[^/])", re.IGNORECASE)
_BACKOFF_S = (0.5, 10.0)
"""The first pause after a failure, and the longest."""
_MOST_WAITING = 2
"""Pictures between the run and the encoder; of more the oldest are dropped."""


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
        ConfigError: it was built without the protocol, and no program of the system has it.
    """
    scheme = address.scheme
    if scheme not in ("srt", "rtmp", "rtmps") or has_protocol(scheme):
        return
    program = sending_program(scheme)
    if program is None:
        remedy = "install the program ffmpeg with it, or " if scheme == "srt" else ""
        raise ConfigError(
            f"--output {address.label}: FFmpeg here was built without {scheme}; {remedy}send by"
            " another protocol"
        )
    try:
        hidden = hides_secrets(program, address.url)
    except ValueError as error:
        raise ConfigError(f"--output {address.label}: {error}") from error
    if not hidden:
        log.warning(
            "--output %s: this version of the program ffmpeg takes the secrets of the address on"
            " its command line only, where other users of the machine see them",
            address.label,
        )


class NetworkVideo:
    """Encodes and sends pictures from a thread of its own; opened anew whenever it breaks off.

    Neither a server that is away nor one that is slow holds the run: what it cannot take is
    dropped, and counted.

    Args:
        address: where to.
        config: encoder settings; the preset and low-delay settings are its own where none is said.
        frame_rate: nominal frames/s.
        audio: the sound to send along; None for none.
        open_output: opens the connection, or what a program sends on, as `av.open`.
        wait: waits for a flag at most so many seconds.
    """

    def __init__(
        self,
        address: NetworkAddress,
        config: VideoConfig,
        frame_rate: Fraction,
        audio: AudioSpan | TravellingSound | None = None,
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
        self._audio = audio
        self._open_output = open_output
        self._wait = wait
        self._pictures: deque[SentPicture] = deque()
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
            time_s, shift_s = frame.pts * frame.time_base, frame.shift * frame.time_base
            self._pictures.append(SentPicture(time_s, shift_s, picture))
            self._changed.notify()

    def close(self) -> None:
        """Sends what waits, if there is a connection, and ends; closing twice is fine."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._thread.join()

    def _next(self) -> SentPicture | None:
        """The next picture; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._pictures or self._closing.is_set())
            taken = self._pictures.popleft() if self._pictures else None
            self._changed.notify_all()
            return taken

    def _run(self) -> None:
        picture = self._next()
        if picture is None:
            return
        sound = self._open_sound(picture)
        try:
            self._send_all(picture, sound)
        finally:
            if sound is not None:
                sound.close()

    def _open_sound(self, first: SentPicture) -> Sound | None:
        if self._audio is None:
            return None
        try:
            sound = AudioReader(self._audio) if isinstance(self._audio, AudioSpan) else self._audio
        except SourceError as error:
            log.warning("--output %s: no sound: %s", self._address.label, error)
            return None
        if sound.stream is None or sound.stream.codec_context is None:
            sound.close()
            return None
        sound.begin(first.time_s, first.shift_s)
        return sound

    def _send_all(self, picture: SentPicture | None, sound: Sound | None) -> None:
        failures = 0
        while picture is not None:
            sent = 0
            try:
                connection = NetworkConnection(
                    self._address, self._config, self._rate, picture, sound, self._open_output
                )
                try:
                    while picture is not None and connection.fits(picture):
                        connection.send(picture)
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


def _pause_s(failures: int) -> float:
    shortest, longest = _BACKOFF_S
    return min(shortest * 2.0 ** min(failures - 1, 16), longest)
