"""The annotated video's sound against the input's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any

from av.error import FFmpegError

from streamfer.media.sources.media_file import open_media_file
from streamfer.media.video.audio import adts_filter

_DURATION_TOLERANCE_S = 0.1
"""By which transcoded sound may be longer or shorter: the encoder pads its first and last frame."""


@dataclass(frozen=True, slots=True)
class _Packet:
    payload: bytes
    time_s: Fraction | None
    tick_s: Fraction
    duration_s: Fraction


def audio_difference(
    source: Path, outputs: Sequence[Path], moved_s: Fraction, cut: bool
) -> list[str]:
    """The first difference between the input's audio packets and the output's, if there is one.

    Args:
        source: the input.
        outputs: the annotated video's files, in order.
        moved_s: how far the first file's times were moved against the input's.
        cut: the input breaks off, so its video may end before its sound.
    """
    output = outputs[0] if outputs else source
    codec, written_codec = _codec(source), _codec(output)
    if codec is None:
        return []
    if written_codec is None:
        return [f"{output}: has no sound; the input has"]
    if codec != written_codec:
        return [] if cut else _duration_difference(source, outputs, output)
    written = (packet for path in outputs for packet in _packets(path))
    for number, (ours, theirs) in enumerate(zip_longest(_in_order(source), written)):
        where = f"{output}: audio packet {number}"
        if theirs is None:
            return [] if cut else [f"{where} is missing"]
        if ours is None:
            return [f"{where} is not in the input"]
        if ours.payload != theirs.payload:
            return [f"{where} differs from the input's"]
        if len(outputs) == 1 and _times_differ(ours, theirs, moved_s):
            return [f"{where} is at {_seconds(theirs)}, not {_seconds(ours)}"]
    return []


def _times_differ(ours: _Packet, theirs: _Packet, moved_s: Fraction) -> bool:
    if ours.time_s is None or theirs.time_s is None:
        return False
    return abs(ours.time_s + moved_s - theirs.time_s) > ours.tick_s + theirs.tick_s


def _seconds(packet: _Packet) -> str:
    return "no time" if packet.time_s is None else f"{float(packet.time_s):.6f} s"


def _duration_difference(source: Path, outputs: Sequence[Path], output: Path) -> list[str]:
    seconds = float(sum(p.duration_s for p in _packets(source)))
    written = float(sum(p.duration_s for path in outputs for p in _packets(path)))
    if abs(seconds - written) <= _DURATION_TOLERANCE_S:
        return []
    return [f"{output}: {written:.3f} s of sound, not {seconds:.3f} s"]


def _codec(path: Path) -> str | None:
    with open_media_file(path) as container:
        stream = container.streams.best("audio")
        return None if stream is None else str(stream.codec_context.name)


def _in_order(path: Path) -> Iterator[_Packet]:
    """The packets that can be written: those whose times do not go backward."""
    last: Fraction | None = None
    for packet in _packets(path):
        if last is not None and packet.time_s is not None and packet.time_s <= last:
            continue
        last = packet.time_s if packet.time_s is not None else last
        yield packet


def _packets(path: Path) -> Iterator[_Packet]:
    with open_media_file(path) as container:
        stream = container.streams.best("audio")
        if stream is None:
            return
        adts = adts_filter(stream)
        try:
            for packet in container.demux(stream):
                if packet.size:
                    yield from _plain(packet, adts)
        except FFmpegError:
            return


def _plain(packet: Any, adts: Any) -> Iterator[_Packet]:
    try:
        for plain in (packet,) if adts is None else adts.filter(packet):
            yield _Packet(
                payload=bytes(plain),
                time_s=None if plain.pts is None else plain.pts * plain.time_base,
                tick_s=plain.time_base,
                duration_s=(plain.duration or 0) * plain.time_base,
            )
    except FFmpegError:
        return  # damaged: the writer leaves it out too
