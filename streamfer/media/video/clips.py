"""Cuts clips out of a stream without encoding it again."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
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
from streamfer.media.sources.media_file import open_media_file, video_stream
from streamfer.media.sources.packets import KeptPacket, PacketMemory

_CONTAINERS = ((".mp4", "mp4"), (".mkv", "matroska"))
"""Suffix and FFmpeg's name of the containers to try: some codecs fit only into the second."""
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

    def write(self, file: ClipFiles, begin_s: float, end_s: float) -> Path | None:
        """Writes what lies between two moments of media time.

        Returns:
            The file, or None where there is nothing.

        Raises:
            OutputError: it cannot be written, or its source cannot be read again.
        """
        ...

    def close(self) -> None:
        """No more clips are wanted; closing twice is fine."""
        ...


class FileClips:
    """Clips of a file, which is read again, and stays open from clip to clip.

    Args:
        path: of the file.
        origin_s: PTS of what has the media time 0, in seconds.
    """

    def __init__(self, path: Path, origin_s: float) -> None:
        self._path = path
        self._origin_s = origin_s
        self._container: Any = None

    def write(self, file: ClipFiles, begin_s: float, end_s: float) -> Path | None:
        """See `ClipSource`."""
        try:
            if self._container is None:
                self._container = open_media_file(self._path)
            video = video_stream(self._container, self._path)
            audio = self._container.streams.best("audio")
            streams = (video,) if audio is None else (video, audio)
            begin, end = begin_s + self._origin_s, end_s + self._origin_s
            begin_ticks = max(int(begin / video.time_base), 0)
            self._container.seek(begin_ticks, stream=video, backward=True)
            packets = _between(_kept(self._container.demux(streams)), begin, end)
            return file.write(ClipMaterial(streams, packets))
        except (SourceError, FFmpegError) as error:
            self.close()
            raise OutputError(f"{file.name}: cannot cut {self._path} ({reason(error)})") from error

    def close(self) -> None:
        """See `ClipSource`."""
        container, self._container = self._container, None
        if container is not None:
            container.close()


class LiveClips:
    """Clips of a live stream, from the packets that are kept of it.

    Args:
        memory: the packets.
    """

    def __init__(self, memory: PacketMemory) -> None:
        self._memory = memory

    def write(self, file: ClipFiles, begin_s: float, end_s: float) -> Path | None:
        """See `ClipSource`."""
        streams, packets, offset_s = self._memory.recent()
        if not packets:
            return None
        with av.open(io.BytesIO(streams), format="nut") as described:
            part = _between(packets, begin_s - offset_s, end_s - offset_s)
            return file.write(ClipMaterial(tuple(described.streams), part))

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
        """
        packets = iter(material.packets)
        first = next(packets, None)
        if first is None:
            return None
        for suffix, container in _CONTAINERS:
            path = self._claim(self._path.with_name(self._path.name + suffix))
            clip = _Clip(path, container)
            try:
                if not clip.begin(material.streams):
                    continue
                clip.write(first, packets)
            except (FFmpegError, OSError, ValueError) as error:
                clip.discard()
                raise OutputError(f"{path}: cannot write the clip ({reason(error)})") from error
            return path
        raise OutputError(f"{self._path}: no container here can carry the clip")

    def _claim(self, path: Path) -> ClaimedPath:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return free_path(self._claims, path)
        except OSError as error:
            raise OutputError(f"{path}: cannot write the clip ({reason(error)})") from error


class _Clip:
    """One file."""

    def __init__(self, path: ClaimedPath, container: str) -> None:
        self._output = OutputFile(path)
        self._container = av.open(
            self._output, "w", format=container, options={"flush_packets": "0"}
        )  # in larger pieces: nobody reads it before it is whole
        self._streams: list[Any] = []
        self._orders: list[PacketOrder] = []
        self._begin_s = Fraction(0)
        """PTS of the first packet."""
        self._shifts: dict[int, int] = {}
        """The same in ticks of each stream."""

    def begin(self, streams: tuple[Any, ...]) -> bool:
        """Writes the head; says whether the container can carry such streams."""
        try:
            self._streams = [self._container.add_stream_from_template(s) for s in streams]
            self._container.start_encoding()
            self._orders = [PacketOrder(self._container, stream) for stream in self._streams]
        except (FFmpegError, ValueError) as error:
            self.discard()
            if isinstance(error, OSError) and not isinstance(error, ValueError):
                raise
            return False
        return True

    def write(self, first: KeptPacket, packets: Iterator[KeptPacket]) -> None:
        """Writes all packets, the first at 0, and completes the file."""
        self._begin_s = first.pts * first.time_base
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
        number = 0 if kept.is_video else 1
        shift = self._shifts.get(number)
        if shift is None:
            shift = self._shifts[number] = round(self._begin_s / kept.time_base)
        packet = av.Packet(kept.content)
        packet.pts, packet.dts = kept.pts - shift, kept.dts - shift
        packet.duration = kept.duration
        packet.time_base = kept.time_base
        packet.is_keyframe = kept.is_keyframe
        packet.stream = self._streams[number]
        self._orders[number].straighten(packet)  # a sender's clock may have been set back
        self._container.mux(packet)


def _kept(packets: Iterable[Any]) -> Iterator[KeptPacket]:
    return (kept for packet in packets if (kept := KeptPacket.of(packet)) is not None)


def _between(packets: Iterable[KeptPacket], begin_s: float, end_s: float) -> Iterator[KeptPacket]:
    """Packets from the last key frame before a moment to another moment, and their sound.

    Pictures that lean on what comes before that key frame are left out.
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
    if group is not None and key_s is not None:
        yield from _whole(group, key_s, end_s)


def _whole(packets: list[KeptPacket], key_s: float, end_s: float) -> Iterator[KeptPacket]:
    """Those of a clip's packets that lie in it, its key frame first."""
    inside = [packet for packet in packets if _inside(packet, key_s, end_s)]
    return iter(sorted(inside, key=lambda packet: not (packet.is_video and packet.time_s == key_s)))


def _inside(packet: KeptPacket, key_s: float, end_s: float) -> bool:
    time_s = packet.time_s
    return time_s >= key_s and (packet.order_s if packet.is_video else time_s) < end_s
