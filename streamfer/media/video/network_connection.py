"""One connection that annotated video is sent over, with its encoder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from streamfer.media.redact import redact_url
from streamfer.media.sources.sound import Sound
from streamfer.media.video.audio_track import AudioTrack, CopiedAudio, TranscodedAudio
from streamfer.media.video.encoder import VideoConfig
from streamfer.media.video.program_output import ProgramOutput
from streamfer.media.video.sending_program import sending_command, sending_program
from streamfer.media.video.yuv import YuvConverter
from streamfer.types import UInt8Array

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
_WITH_SOUND = {"max_interleave_delta": "1"}
"""In µs: what comes is sent, sound and pictures do not wait for each other."""
_TICKS = 90_000
"""PTS per second."""
_KEYFRAME_EVERY_S = 1
"""How long whoever joins waits for a picture, in seconds."""
_TIMEOUT_S = 5.0
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
    def scheme(self) -> str:
        """The protocol."""
        return self.url.partition(":")[0]

    @property
    def format(self) -> str:
        """FFmpeg's name of what is sent there."""
        return _FORMATS[self.scheme]


@dataclass(frozen=True, slots=True, eq=False)
class SentPicture:
    """An annotated picture on its way."""

    time_s: Fraction
    shift_s: Fraction
    """By how much its time was moved, see `Frame.shift`."""
    image: UInt8Array


class NetworkConnection:
    """One encoder and one connection, for pictures of one size."""

    def __init__(
        self,
        address: NetworkAddress,
        config: VideoConfig,
        rate: Fraction,
        first: SentPicture,
        sound: Sound | None,
        open_output: Callable[..., Any],
    ) -> None:
        self._size_wh = _size_wh(first)
        self._begin_s = first.time_s
        self._last_pts = -1
        self._converter = YuvConverter(self._size_wh)
        self._sound = sound
        self._audio: AudioTrack | None = None
        with ExitStack() as opened:
            target: str | ProgramOutput = address.url
            if program := sending_program(address.scheme):
                command = sending_command(program, address.url)
                target = opened.enter_context(ProgramOutput(command, _TIMEOUT_S))
            self._container = open_output(
                target,
                "w",
                format=address.format,
                container_options=_OPTIONS[address.format] | (_WITH_SOUND if sound else {}),
                timeout=_TIMEOUT_S,
            )
            opened.enter_context(closing(self._container))
            self._add_video(config, rate)
            if sound is not None:
                self._add_sound(sound, address.format, first)
            self._opened = opened.pop_all()

    def _add_video(self, config: VideoConfig, rate: Fraction) -> None:
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

    def _add_sound(self, sound: Sound, form: str, first: SentPicture) -> None:
        """Adds the track, and connects: what comes before the first picture is left out."""
        context = sound.stream.codec_context
        # In a transport stream its settings are in every packet, elsewhere they come first.
        as_it_is = context.name == "aac" and (form == "mpegts" or context.extradata)
        track = CopiedAudio if as_it_is else TranscodedAudio
        self._audio = track(self._container, sound.stream)
        self._container.start_encoding()
        for _ in sound.upto(first.time_s, first.shift_s):
            pass

    def fits(self, picture: SentPicture) -> bool:
        """Whether it has the size that the encoder was opened with."""
        return _size_wh(picture) == self._size_wh

    def send(self, picture: SentPicture) -> None:
        """Encodes and sends one picture."""
        frame = self._converter.convert(picture.image)
        pts = max(round((picture.time_s - self._begin_s) * _TICKS), self._last_pts + 1)
        self._last_pts = frame.pts = pts
        frame.time_base = Fraction(1, _TICKS)
        if self._audio is not None and self._sound is not None:
            for packet in self._sound.upto(picture.time_s, picture.shift_s):
                self._audio.write(packet, -self._begin_s)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Sends what is inside the encoder and says goodbye."""
        with self._opened:
            if self._last_pts >= 0:
                self._container.mux(self._stream.encode(None))
                if self._audio is not None:
                    self._audio.finish()


def _size_wh(picture: SentPicture) -> tuple[int, int]:
    height, width = picture.image.shape[:2]
    return width, height
