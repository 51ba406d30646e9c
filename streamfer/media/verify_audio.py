"""The annotated video's sound against the input's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any

from av.error import FFmpegError

from streamfer.media.media_file import open_media_file

_DURATION_TOLERANCE_S = 0.1
"""By which transcoded sound may be longer or shorter: the encoder pads its first and last frame."""
_ADTS_SYNC = 0xFFF0


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
        bare_adts = stream.codec_context.name == "aac" and not stream.codec_context.extradata
        try:
            for packet in container.demux(stream):
                if packet.size:
                    yield _to_packet(packet, bare_adts)
        except FFmpegError:
            return


def _to_packet(packet: Any, bare_adts: bool) -> _Packet:
    payload = bytes(packet)
    if bare_adts:
        payload = _without_adts_header(payload)
    return _Packet(
        payload=payload,
        time_s=None if packet.pts is None else packet.pts * packet.time_base,
        tick_s=packet.time_base,
        duration_s=(packet.duration or 0) * packet.time_base,
    )


def _without_adts_header(payload: bytes) -> bytes:
    """ISO/IEC 13818-7, 6.2: seven bytes, and two more where there is a checksum."""
    if len(payload) < 7 or int.from_bytes(payload[:2], "big") & _ADTS_SYNC != _ADTS_SYNC:
        return payload
    has_no_checksum = payload[1] & 1
    return payload[7 if has_no_checksum else 9 :]
