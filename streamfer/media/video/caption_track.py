"""Writes captions into an annotated video, as a stream that players switch on and off."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from av.subtitles.subtitle import SubtitleSet

from streamfer.types import FrameResult

_TICKS = 1_000_000
"""Times per second. FFmpeg's MP4 writer holds the times of captions against those of the other
streams without converting them, and ends a caption too early where their numbers are larger."""
_HEADER = (
    "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\n"
    "Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour,"
    " Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline,"
    " Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\n"
    "Style: Default,Arial,16,&H00FFFFFF,&H00FFFFFF,&H00101010,&H80000000,"
    "0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)


@dataclass(frozen=True, slots=True)
class Caption:
    """What is to be read for some time."""

    start_s: float
    end_s: float
    ass: str
    """Its lines, with the commands of ASS; empty where nothing is to be read."""


class CaptionSource(Protocol):
    """Makes the captions of one stream: one after the other without gaps, in seconds of media
    time."""

    @property
    def language_codes(self) -> tuple[str, str]:
        """Of the words: ISO 639-2, terminological (of MP4) and bibliographic (of others)."""
        ...

    def add(self, result: FrameResult) -> None:
        """Takes the next frame."""
        ...

    def ready(self) -> list[Caption]:
        """The captions that are decided, in order."""
        ...

    def finish(self) -> list[Caption]:
        """The captions that are left where a file ends."""
        ...


class CaptionTrack:
    """The captions of one output file: `mov_text` in MP4 and MOV, ASS in Matroska.

    Args:
        output: the open PyAV container to write to.
        language_codes: of the words, see `CaptionSource`.
    """

    def __init__(self, output: Any, language_codes: tuple[str, str]) -> None:
        self._output = output
        codec = "ass" if output.format.name == "matroska" else "mov_text"
        self._stream = output.add_stream(codec)
        self._stream.codec_context.subtitle_header = _HEADER.encode()
        self._stream.time_base = Fraction(1, _TICKS)
        self._stream.metadata["language"] = language_codes[output.format.name != "mp4"]
        self._count = 0
        self._end = 0

    def write(self, caption: Caption, offset_s: Fraction) -> None:
        """Muxes one caption, moved by some seconds; none may begin before the last has ended."""
        start = max(round((Fraction(caption.start_s) + offset_s) * _TICKS), self._end)
        end = round((Fraction(caption.end_s) + offset_s) * _TICKS)
        self._end = max(start, end)
        if end <= start or (not caption.ass and self._output.format.name == "matroska"):
            return
        self._count += 1
        dialogue = f"{self._count},0,Default,,0,0,0,,{caption.ass}".encode("utf-8", "replace")
        context = self._stream.codec_context
        packet = context.encode_subtitle(SubtitleSet.create(dialogue, 0, end - start, start))
        packet.stream = self._stream
        packet.time_base = Fraction(1, _TICKS)
        packet.pts = packet.dts = start
        packet.duration = end - start
        self._output.mux_one(packet)
