"""The annotated video's sound against the input's."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, dropwhile, zip_longest
from pathlib import Path
from typing import Any

from av.error import FFmpegError

from streamfer.media.sources.demux import demuxed
from streamfer.media.sources.media_file import open_media_file
from streamfer.media.video.audio import AudioReader, AudioSpan
from streamfer.media.video.audio_track import adts_filter, is_trimmed

_DURATION_TOLERANCE_S = 0.1
"""By which transcoded sound may be longer or shorter: the encoder pads its first and last frame."""

_ROUNDING_S = Fraction(1, 1000)
"""A transport stream has times for groups of packets, and FFmpeg rounds the others otherwise where
it reads from a pipe."""
_UNHEARD_S = Fraction(1, 2)
"""Before 0 nobody hears it, and of an MP4 file FFmpeg reads only the last second of it."""


@dataclass(frozen=True, slots=True)
class _Packet:
    payload: bytes
    time_s: Fraction | None
    tick_s: Fraction
    duration_s: Fraction


def audio_rate(path: Path) -> int | None:
    """Samples per second of a file's sound; None where it has none.

    Raises:
        SourceError: it cannot be opened.
    """
    with open_media_file(path) as container:
        stream = container.streams.best("audio")
        return None if stream is None else stream.rate


def audio_difference(
    source: Path,
    outputs: Sequence[Path],
    moved_s: Fraction | None,
    shifts: Sequence[tuple[Fraction, Fraction]],
    cut: bool,
) -> list[str]:
    """The first difference between the input's audio packets and the output's, if there is one.

    Args:
        source: the input.
        outputs: the annotated video's files, in order.
        moved_s: how far the times were moved against the input's repaired ones; None: not by one
            number, and times are not compared.
        shifts: when the input's video was moved by the rule that repairs times, and by how much.
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
    if codec.startswith("pcm_"):  # containers cut it into packets as they like
        return [] if cut else _samples_difference(source, outputs, output)
    written: Iterator[_Packet] = chain.from_iterable(map(_packets, outputs))
    expected: Iterator[_Packet] = _repaired(source, shifts, output)
    if len(outputs) == 1 and moved_s is not None:
        expected, written = _from_first_written(expected, written, moved_s)
    latest_s: Fraction | None = None
    for number, (ours, theirs) in enumerate(zip_longest(expected, written)):
        where = f"{output}: audio packet {number}"
        if theirs is None:
            return [] if cut else [f"{where} is missing"]
        if ours is None:
            return [f"{where} is not in the input"]
        if ours.payload != theirs.payload:
            return [f"{where} differs from the input's"]
        overlaps = latest_s is not None and ours.time_s is not None and ours.time_s <= latest_s
        if not overlaps and len(outputs) == 1 and moved_s is not None:
            latest_s = ours.time_s
            if _times_differ(ours, theirs, moved_s):
                return [f"{where} is at {_seconds(theirs)}, not {_seconds(ours)}"]
    return []


def _from_first_written(
    expected: Iterator[_Packet], written: Iterator[_Packet], moved_s: Fraction
) -> tuple[Iterator[_Packet], Iterator[_Packet]]:
    """Both, without what is expected long before 0 and before what is read of the output."""
    first = next(written, None)
    if first is None:
        return expected, written
    if first.time_s is not None:
        begin_s = min(first.time_s - first.tick_s, -_UNHEARD_S) - moved_s
        expected = dropwhile(lambda p: p.time_s is not None and p.time_s < begin_s, expected)
    return expected, chain((first,), written)


def _times_differ(ours: _Packet, theirs: _Packet, moved_s: Fraction) -> bool:
    if ours.time_s is None or theirs.time_s is None:
        return False
    if ours.time_s + moved_s < 0:  # Matroska has no such times: FFmpeg guesses them
        return False
    tolerance_s = max(ours.tick_s + theirs.tick_s, _ROUNDING_S)
    return abs(ours.time_s + moved_s - theirs.time_s) > tolerance_s


def _seconds(packet: _Packet) -> str:
    return "no time" if packet.time_s is None else f"{float(packet.time_s):.6f} s"


def _duration_difference(source: Path, outputs: Sequence[Path], output: Path) -> list[str]:
    seconds = _duration_s(source)
    written = sum(_duration_s(path) for path in outputs)
    if abs(seconds - written) <= _DURATION_TOLERANCE_S:
        return []
    return [f"{output}: {written:.3f} s of sound, not {seconds:.3f} s"]


def _duration_s(path: Path) -> float:
    """What can be heard: durations of packets are guesses in some formats, and 0 in others."""
    with open_media_file(path) as container:
        stream = container.streams.best("audio")
        if stream is None:
            return 0.0
        seconds = 0.0
        with contextlib.suppress(FFmpegError):
            for packet in demuxed(container, stream):
                with contextlib.suppress(FFmpegError):  # damaged: the writer leaves it out too
                    seconds += sum(f.samples / f.sample_rate for f in stream.decode(packet))
        return seconds


def _samples_difference(source: Path, outputs: Sequence[Path], output: Path) -> list[str]:
    ours, theirs = hashlib.sha256(), hashlib.sha256()
    for packet in _packets(source):
        ours.update(packet.payload)
    for path in outputs:
        for packet in _packets(path):
            theirs.update(packet.payload)
    return [] if ours.digest() == theirs.digest() else [f"{output}: other sound than the input's"]


def _codec(path: Path) -> str | None:
    with open_media_file(path) as container:
        stream = container.streams.best("audio")
        return None if stream is None else str(stream.codec_context.name)


def _repaired(
    path: Path, shifts: Sequence[tuple[Fraction, Fraction]], output: Path
) -> Iterator[_Packet]:
    """All packets for a container, at the times that the rule for the video gives them."""
    shows_all = output.suffix.lower() == ".mkv"
    with closing(AudioReader(AudioSpan(path))) as reader:
        adts = adts_filter(reader.stream)
        moments: list[tuple[Fraction | None, Fraction]] = [*shifts]
        for time_s, shift_s in [*moments, (None, moments[-1][1] if moments else Fraction(0))]:
            for packet in reader.upto(time_s, shift_s):
                if not (shows_all and is_trimmed(packet)):
                    yield from _plain(packet, adts)


def _packets(path: Path) -> Iterator[_Packet]:
    with open_media_file(path) as container:
        stream = container.streams.best("audio")
        if stream is None:
            return
        adts = adts_filter(stream)
        try:
            for packet in demuxed(container, stream):
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
