"""Writes audio into an annotated video: copied packet by packet, or made AAC."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Protocol

from av import AudioFrame, AudioResampler
from av.bitstream import BitStreamFilterContext
from av.error import FFmpegError

from streamfer.media.sources.audio_clock import PacketOrder, move

_AAC_BIT_RATE = 160_000
"""Bits/s of AAC made from audio that the container cannot carry."""
_START_UP_S = 0.1
"""Sound before the beginning that a decoder may need, in seconds."""
_AAC_RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Sample rates, in Hz, to choose from for AAC."""


class AudioTrack(Protocol):
    """The audio stream of one output file."""

    skipped: int
    """Packets left out because they were damaged."""

    def write(self, packet: Any, offset_s: Fraction) -> None:
        """Muxes one packet of the input, moved by some seconds."""
        ...

    def finish(self) -> None:
        """Muxes what is still inside an encoder."""
        ...


class CopiedAudio:
    """The input's packets, byte for byte.

    Args:
        output: the open PyAV container to write to.
        source: the input's PyAV audio stream.

    Raises:
        ValueError: the container cannot carry the codec.
    """

    def __init__(self, output: Any, source: Any) -> None:
        self._output = output
        self._stream = output.add_stream_from_template(source)
        self._filter = adts_filter(source)
        self._order = PacketOrder(output, self._stream)
        self._shows_all = output.format.name == "matroska"
        self.skipped = 0

    def write(self, packet: Any, offset_s: Fraction) -> None:
        """Muxes one packet of the input, moved by some seconds."""
        if self._shows_all and is_trimmed(packet):
            return
        move(packet, offset_s)
        try:
            for copied in (packet,) if self._filter is None else self._filter.filter(packet):
                copied.stream = self._stream
                self._order.straighten(copied)
                self._output.mux_one(copied)
        except FFmpegError:
            self.skipped += 1

    def finish(self) -> None:
        """Nothing is held back."""


class TranscodedAudio:
    """The input's audio decoded and made AAC, of one rate and layout whatever becomes of its own.

    Args:
        output: the open PyAV container to write to.
        source: the input's PyAV audio stream.
    """

    def __init__(self, output: Any, source: Any) -> None:
        self._output = output
        self._decoder = source.codec_context
        self._rate = min(_AAC_RATES, key=lambda rate: abs(rate - source.rate))
        self._layout = "mono" if source.channels == 1 else "stereo"
        self._stream = output.add_stream("aac", rate=self._rate, layout=self._layout)
        self._stream.bit_rate = _AAC_BIT_RATE
        self._order = PacketOrder(output, self._stream)
        self._resampler: AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None
        """What the resampler takes; the encoder's own one cannot change it."""
        self.skipped = 0

    def write(self, packet: Any, offset_s: Fraction) -> None:
        """Decodes one packet, moved by some seconds, and muxes what becomes of it."""
        move(packet, offset_s)
        try:
            frames = self._decoder.decode(packet)
        except FFmpegError:
            self.skipped += 1
            return
        for frame in frames:
            try:
                packets = [p for part in self._fitting(frame) for p in self._stream.encode(part)]
            except (FFmpegError, ValueError):  # nothing is written here, so no disk is full
                self.skipped += 1
                continue
            self._mux(packets)

    def finish(self) -> None:
        """Muxes what is still inside the encoder."""
        for part in self._held_back():
            self._mux(self._stream.encode(part))
        self._mux(self._stream.encode(None))

    def _fitting(self, frame: AudioFrame) -> list[AudioFrame]:
        """What comes of a decoded frame in the encoder's format, timed in its samples."""
        form = frame.format.name, frame.layout.name, frame.sample_rate
        before: list[AudioFrame] = []
        if self._resampler is None or form != self._form:
            before = self._held_back()
            self._resampler = AudioResampler(self._stream.format, self._layout, self._rate)
            self._form = form
        return before + [self._timed(part) for part in self._resampler.resample(frame)]

    def _held_back(self) -> list[AudioFrame]:
        """The last samples of a resampler that is used no more."""
        resampler, self._resampler = self._resampler, None
        parts = [] if resampler is None else resampler.resample(None)
        return [self._timed(part) for part in parts if part is not None]

    def _timed(self, frame: AudioFrame) -> AudioFrame:
        """A frame in ticks that stay the same: the encoder takes those of the first for all."""
        if frame.pts is not None:
            frame.pts = round(frame.pts * frame.time_base * self._rate)
        frame.time_base = Fraction(1, self._rate)
        return frame

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            self._order.straighten(packet)
            self._output.mux_one(packet)


def is_trimmed(packet: Any) -> bool:
    """Whether a packet lies in what an edit list cuts off, which only MP4 and MOV can hide.

    What lies just before the cut stays: decoders start up with it.
    """
    return bool(packet.is_discard) and packet.pts * packet.time_base < -_START_UP_S


def adts_filter(stream: Any) -> Any:
    """What takes off the headers that AAC packets have in transport streams; None for others.

    Transport streams repeat the settings in every packet; other containers have them once.
    """
    context = stream.codec_context
    if context.name != "aac" or context.extradata:
        return None
    return BitStreamFilterContext("aac_adtstoasc", in_stream=stream)


AudioKind = type[CopiedAudio] | type[TranscodedAudio]
