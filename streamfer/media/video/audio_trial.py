"""Finds out whether a container carries the sound of an input as it is."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
from av.error import FFmpegError

from streamfer.media.sources.demux import demuxed
from streamfer.media.video.audio_track import AudioKind, CopiedAudio, TranscodedAudio

_WHOLE_SAMPLES = 5760
"""Bytes that hold whole samples of any width, of up to six and of eight channels."""


def audio_kind(container: str, source: Any, packet: Any) -> AudioKind:
    """How the sound gets into a container: copied where that can be read again, else made AAC.

    Tables of what a container carries are of no use: some refuse a codec for its details, and only
    when they write their index, with the first packet; some write what nobody can read.

    Args:
        container: FFmpeg's name of the format.
        source: PyAV audio stream.
        packet: its first one; None where there is none, or where it has not come yet.
    """
    if packet is None:
        if not source.codec_context.name.startswith("pcm_"):
            return CopiedAudio
        packet = _silence(source)
    options = {} if container == "matroska" else {"movflags": "frag_keyframe+delay_moov"}
    memory = io.BytesIO()
    try:
        with av.open(memory, "w", format=container, container_options=options) as output:
            track = CopiedAudio(output, source)
            output.start_encoding()
            track.write(_copy(packet), Fraction(0))
        memory.seek(0)
        with av.open(memory) as written:
            stream = written.streams.best("audio")
            whole = track.skipped == 0 and stream is not None
            same = whole and stream.codec_context.name == source.codec_context.name
            if same and source.codec_context.name.startswith("pcm_"):
                size = sum(read.size for read in demuxed(written, stream))
                same = size == packet.size
            return CopiedAudio if same else TranscodedAudio
    except (FFmpegError, ValueError, AttributeError):  # PyAV gives unknown codecs no context
        return TranscodedAudio


def _silence(source: Any) -> Any:
    packet = av.Packet(bytes(_WHOLE_SAMPLES))
    packet.time_base = Fraction(1, source.rate)
    packet.duration = 1
    return packet


def _copy(packet: Any) -> Any:
    copy = av.Packet(bytes(packet))
    copy.time_base, copy.duration = packet.time_base, packet.duration
    copy.pts = copy.dts = 0
    copy.is_keyframe = packet.is_keyframe
    return copy
