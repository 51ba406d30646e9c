"""Writing annotated videos and looking at what was written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av

from streamfer.media.sources.file import FileSource
from streamfer.media.sources.playback import PlaybackOptions
from streamfer.media.video.audio import AudioSpan
from streamfer.media.video.writer import VideoWriter
from streamfer.types import UInt8Array

_WHOLE = AudioSpan(Path())


def copy_stream(
    source_path: Path,
    path: Path,
    options: PlaybackOptions | None = None,
    audio: AudioSpan | None = _WHOLE,
    stop_after: int | None = None,
    change: Callable[[int, UInt8Array], None] = lambda index, image: None,
) -> VideoWriter:
    """Plays a file into a `VideoWriter`, its own sound with it unless told otherwise.

    Args:
        change: draws on the pictures, given their frame's index.
    """
    options = options or PlaybackOptions()
    if audio is _WHOLE:
        audio = AudioSpan(source_path, options.start_s, options.duration_s, options.loop)
    with closing(FileSource(source_path, "talk", options)) as source:
        writer = VideoWriter(path, source.open(), audio=audio)
        with closing(writer):
            for count, pending in enumerate(source.frames()):
                if count == stop_after:
                    break
                frame = pending.to_frame("talk", 0)
                change(frame.index, frame.image)
                writer.write(frame, frame.image)
    return writer


def frame_times(path: Path) -> list[Fraction]:
    """Seconds of every frame that can be decoded."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def audio_packets(path: Path) -> list[tuple[Fraction, bytes]]:
    """Seconds and bytes of every packet of the first audio stream."""
    with av.open(str(path)) as container:
        return [
            (packet.pts * packet.time_base, bytes(packet))
            for packet in container.demux(container.streams.audio[0])
            if packet.size
        ]
