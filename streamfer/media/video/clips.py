"""Cuts clips out of a stream without encoding it again."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import av
from av.error import FFmpegError

from streamfer.errors import OutputError, SourceError
from streamfer.media.files.claims import ClaimedPath, OutputClaims, free_path
from streamfer.media.files.output_file import OutputFile
from streamfer.media.files.output_path import reason
from streamfer.media.sources.audio_clock import PacketOrder
from streamfer.media.sources.packets import KeptPacket, PacketMemory
from streamfer.types import Frame

_CONTAINERS = ((".mp4", "mp4"), (".mkv", "matroska"))
"""Suffix and FFmpeg's name of the containers to try: some codecs fit only into the second."""
_ROUNDING_S = 1e-4
_AUDIO_LATE_S = 0.5
"""How much later than its video a file may hold the sound."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipMaterial:
    """Streams and packets of a part of a stream."""

    streams: tuple[Any, ...]
    """PyAV streams to write such packets of: video first, then sound if there is any."""
    packets: Iterable[KeptPacket]
    """In the order of the stream; the first of video is a key frame."""


class ClipSource(Protocol):
    """Where the packets of a clip come from."""

    def follow(self, frame: Frame) -> None:
        """Sees every frame that clips may be wanted of."""
        ...

    def write(self, file: ClipFiles, begin_s: float, end_s: float) -> Path | None:
        """Writes what lies between two moments of media time.

        Returns:
            The file, or None where there is nothing.

        Raises:
            OutputError: the file cannot be written.
            SourceError: the stream cannot be cut, or no container carries its codec.
        """
        ...

    @property
    def problem(self) -> str | None:
        """Why there is nothing to cut, or None."""
        ...

    def close(self) -> None:
        """No more clips are wanted; closing twice is fine."""
        ...


class LiveClips:
    """Clips of a live stream, from the packets that are kept of it.

    Args:
        memory: the packets.
    """

    def __init__(self, memory: PacketMemory) -> None:
        self._memory = memory

    def follow(self, frame: Frame) -> None:
        """See `ClipSource`; the memory knows the frames' times."""

    def write(self, file: ClipFiles, begin_s: float, end_s: float) -> Path | None:
        """See `ClipSource`."""
        streams, packets = self._memory.recent()
        if not packets:
            return None
        with av.open(io.BytesIO(streams), format="nut") as described:
            part = between(packets, begin_s, end_s)
            return file.write(ClipMaterial(tuple(described.streams), part))

    @property
    def problem(self) -> str | None:
        """See `ClipSource`."""
        return self._memory.problem

    def close(self) -> None:
        """Lets the packets go, which are many: nothing else is made of them."""
        self._memory.close()


class ClipFiles:
    """Writes clips, each to a file of its own; nothing is ever replaced.

    Args:
        path: without suffix; numbers are added where the name is taken.
        claims: the run's.
    """

    def __init__(self, path: Path, claims: OutputClaims) -> None:
        self.name = str(path)
        self._path = path
        self._claims = claims

    def write(self, material: ClipMaterial) -> Path | None:
        """Writes one clip, in the first container that can carry it.

        Returns:
            The file, or None where there are no packets.

        Raises:
            OutputError: it cannot be written; what there was of it is removed.
            SourceError: no container here can carry such packets.
        """
        packets = iter(material.packets)
        first = next(packets, None)
        if first is None:
            return None
        for suffix, container in _CONTAINERS:
            path = self._claim(self._path.with_name(self._path.name + suffix))
            try:
                clip = _Clip(path, container)
            except OSError as error:
                raise _unwritable(path, error) from error
            try:
                if not clip.begin(material.streams):
                    continue
                clip.write(first, packets)
            except (SourceError, FFmpegError, OSError, ValueError) as error:
                clip.discard()
                if isinstance(error, SourceError):
                    raise
                if _is_of_the_disk(error):
                    raise _unwritable(path, error) from error
                raise SourceError(f"its packets fit into no clip: {reason(error)}") from error
            return path
        raise SourceError("no container here can carry its codec")

    def _claim(self, path: Path) -> ClaimedPath:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return free_path(self._claims, path)
        except OSError as error:
            raise _unwritable(path, error) from error


class _Clip:
    """One file."""

    def __init__(self, path: ClaimedPath, container: str) -> None:
        self._output = OutputFile(path)
        try:
            self._container = av.open(
                self._output, "w", format=container, options={"flush_packets": "0"}
            )  # in larger pieces: nobody reads it before it is whole
        except BaseException:
            self._output.discard()
            raise
        self._streams: list[Any] = []
        self._orders: list[PacketOrder] = []
        self._begin_s = 0.0
        """Media time of the first packet."""

    def begin(self, streams: tuple[Any, ...]) -> bool:
        """Writes the head; says whether the container can carry such streams."""
        try:
            self._streams = [self._container.add_stream_from_template(s) for s in streams]
            self._container.start_encoding()
            self._orders = [PacketOrder(self._container, stream) for stream in self._streams]
        except (FFmpegError, ValueError) as error:
            self.discard()
            if _is_of_the_disk(error):
                raise
            return False
        return True

    def write(self, first: KeptPacket, packets: Iterator[KeptPacket]) -> None:
        """Writes all packets, the first at 0, and completes the file."""
        self._begin_s = first.time_s
        for packet in chain((first,), packets):
            self._mux(packet)
        self._container.close()
        self._output.close()

    def discard(self) -> None:
        """Leaves nothing."""
        try:
            self._container.close()
        except (FFmpegError, OSError, ValueError):
            pass  # it is known that it cannot be written
        finally:
            self._output.discard()

    def _mux(self, kept: KeptPacket) -> None:
        number, base = 0 if kept.is_video else 1, kept.time_base
        shift = round((kept.shift_s - self._begin_s) * base.denominator / base.numerator)
        packet = av.Packet(kept.content)
        packet.pts, packet.dts = kept.pts + shift, kept.dts + shift
        packet.duration = kept.duration
        packet.time_base = kept.time_base
        packet.is_keyframe = kept.is_keyframe
        packet.stream = self._streams[number]
        self._orders[number].straighten(packet)  # a sender's clock may have been set back
        self._container.mux(packet)


def _unwritable(path: Path, error: Exception) -> OutputError:
    return OutputError(f"{path}: cannot write the clip ({reason(error)})")


def _is_of_the_disk(error: Exception) -> bool:
    """Whether it is no fault of the packets; FFmpeg's errors about those are `ValueError`s."""
    return isinstance(error, OSError) and not isinstance(error, ValueError)


def between(packets: Iterable[KeptPacket], begin_s: float, end_s: float) -> Iterator[KeptPacket]:
    """Packets from the last key frame before a moment to another moment, and their sound.

    Pictures that lean on what comes before that key frame are left out. Nothing comes of a moment
    behind the last packet.
    """
    group: list[KeptPacket] | None = []
    key_s: float | None = None
    for packet in packets:
        if packet.is_video and packet.order_s >= end_s + _AUDIO_LATE_S:
            break
        if group is not None and packet.is_video and packet.is_keyframe:
            if key_s is not None and packet.time_s > begin_s:
                yield from _whole(group, key_s, end_s)
                group = None
            else:
                key_s = packet.time_s
                # Sound may stand before its picture.
                group = [p for p in group if not p.is_video and p.time_s >= key_s]
        if group is None:
            assert key_s is not None  # set by the first key frame
            if _inside(packet, key_s, end_s):
                yield packet
        else:
            group.append(packet)
    # The last packet need not be the last picture, and sums of times differ in their last digits.
    if group and key_s is not None and max(p.time_s for p in group) >= begin_s - _ROUNDING_S:
        yield from _whole(group, key_s, end_s)


def _whole(packets: list[KeptPacket], key_s: float, end_s: float) -> Iterator[KeptPacket]:
    """Those of a clip's packets that lie in it, its key frame first."""
    inside = [packet for packet in packets if _inside(packet, key_s, end_s)]
    return iter(sorted(inside, key=lambda packet: not (packet.is_video and packet.time_s == key_s)))


def _inside(packet: KeptPacket, key_s: float, end_s: float) -> bool:
    time_s = packet.time_s
    return time_s >= key_s and (packet.order_s if packet.is_video else time_s) < end_s
