"""Clips of a file, which is read a second time for them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from av.error import FFmpegError

from streamfer.errors import SourceError
from streamfer.media.files.output_path import reason
from streamfer.media.sources.demux import demuxed
from streamfer.media.sources.media_file import (
    WITHOUT_SEARCH,
    is_known_sound,
    open_media_file,
    video_stream,
)
from streamfer.media.sources.named_file import readable_path
from streamfer.media.sources.packets import KeptPacket
from streamfer.media.sources.timeline import Timeline, longest_gap_s
from streamfer.media.video.clips import ClipFiles, ClipMaterial, between
from streamfer.types import Frame

_ASSUMED_RATE = 25


class FileClips:
    """Clips of a file, which is read again, and stays open from clip to clip.

    What cannot be searched, or has a clock that is reset (spliced files), is read in order from its
    beginning, and its times are repaired as its source repairs them.

    Args:
        path: of the file.
        origin_s: PTS of what has the media time 0, in seconds.
    """

    def __init__(self, path: Path, origin_s: float) -> None:
        self._path = path
        self._origin_s = origin_s
        self._container: Any = None
        self._searched = True
        self._in_order: _InOrder | None = None
        self.problem: str | None = None

    def follow(self, frame: Frame) -> None:
        """See `ClipSource`."""
        if frame.shift and not frame.looped_s:  # the file's own clock was reset
            self._searched = False

    def write(self, file: ClipFiles, begin_s: float, end_s: float) -> Path | None:
        """See `ClipSource`; times are those of the first round of a loop."""
        try:
            streams = self._streams()
            packets = self._found(streams, begin_s) or self._read_on(begin_s)
            return file.write(ClipMaterial(self._streams(), between(packets, begin_s, end_s)))
        except (SourceError, FFmpegError) as error:
            self.close()
            shown = readable_path(self._path)
            raise SourceError(f"cannot cut {shown} ({reason(error)})") from error

    def close(self) -> None:
        """See `ClipSource`."""
        container, self._container = self._container, None
        self._in_order = None
        if container is not None:
            container.close()

    def _streams(self) -> tuple[Any, ...]:
        """Video and sound of the opened file."""
        if self._container is None:
            self._container = open_media_file(self._path)
            if self._container.format.name in WITHOUT_SEARCH:
                self._searched = False
        video = video_stream(self._container, self._path)
        audio = self._container.streams.best("audio")
        carried = audio is not None and is_known_sound(audio)
        return (video, audio) if carried else (video,)

    def _found(self, streams: tuple[Any, ...], begin_s: float) -> Iterator[KeptPacket] | None:
        """The packets from a moment on; None where the file cannot be searched."""
        if not self._searched:
            return None
        time_base = streams[0].time_base
        ticks = max(int((begin_s + self._origin_s) / time_base), 0)
        try:
            self._container.seek(ticks, stream=streams[0], backward=True)
        except FFmpegError:  # bare H.264 has no times to look for
            self._searched = False
            self.close()
            return None
        return self._demuxed(streams)

    def _read_on(self, begin_s: float) -> Iterator[KeptPacket]:
        """The packets from a moment on, by reading all that come before."""
        if self._in_order is None or begin_s < self._in_order.begin_s:
            self.close()  # back to the beginning
            self._in_order = _InOrder(self._repaired(self._streams()))
        return self._in_order.since(begin_s)

    def _repaired(self, streams: tuple[Any, ...]) -> Iterator[KeptPacket]:
        video = streams[0]
        rate = video.average_rate or video.guessed_rate or _ASSUMED_RATE
        gap_s = longest_gap_s(self._container.format.name)
        timeline = Timeline(video.time_base, float(1 / rate), gap_s)
        shift_s = 0.0
        for packet in self._demuxed(streams):
            if packet.is_video:
                shift_s = float(timeline.place(packet.dts).shift * video.time_base)
            yield replace(packet, shift_s=packet.shift_s + shift_s) if shift_s else packet

    def _demuxed(self, streams: tuple[Any, ...]) -> Iterator[KeptPacket]:
        """Packets as they come.

        Raises:
            SourceError: the file cannot be read on, which is no fault of the clip's, or no packet
                has a time.
        """
        came = timed = False
        try:
            for packet in demuxed(self._container, streams):
                came = came or packet.size > 0
                kept = KeptPacket.of(packet, -self._origin_s)
                if kept is not None:
                    timed = True
                    yield kept
        except FFmpegError as error:
            raise SourceError(f"it cannot be read on: {error.strerror}") from error
        if came and not timed:  # such as bare H.264
            raise SourceError("its packets have no times")


class _InOrder:
    """Packets that come once, of which those are kept that the next clip may want."""

    def __init__(self, packets: Iterator[KeptPacket]) -> None:
        self._packets = packets
        self._kept: list[KeptPacket] = []
        self.begin_s = -math.inf
        """What lies before it may be gone."""

    def since(self, begin_s: float) -> Iterator[KeptPacket]:
        """All packets from the last key frame that is not later than a moment; it may only grow."""
        self.begin_s = begin_s
        kept, self._kept = self._kept, []
        for packet in kept:
            self._keep(packet)
        place = 0
        while True:
            if place == len(self._kept):
                read = next(self._packets, None)
                if read is None:
                    return
                self._keep(read)
                place = min(place, len(self._kept) - 1)
            yield self._kept[place]
            place += 1

    def _keep(self, packet: KeptPacket) -> None:
        if packet.is_video and packet.is_keyframe and packet.time_s <= self.begin_s:
            # Sound may stand before its picture.
            self._kept = [p for p in self._kept if not p.is_video and p.time_s >= packet.time_s]
        self._kept.append(packet)
