"""MPEG transport streams taken apart."""

from __future__ import annotations

from pathlib import Path

import av

_PACKET = 188


def without_pid(content: bytes, pid: int) -> bytes:
    """A transport stream that declares a track and brings none of its packets."""
    packets = (content[begin : begin + _PACKET] for begin in range(0, len(content), _PACKET))
    return b"".join(p for p in packets if (p[1] & 0x1F) << 8 | p[2] != pid)


def with_more_sounds(clip: Path, path: Path, count: int) -> Path:
    """Copies a clip into a transport stream that has its sound `count` times."""
    with av.open(str(clip)) as source, av.open(str(path), "w", format="mpegts") as output:
        pictures, sound = source.streams.video[0], source.streams.audio[0]
        targets = {
            pictures.index: [output.add_stream_from_template(pictures)],
            sound.index: [output.add_stream_from_template(sound) for _ in range(count)],
        }
        for packet in source.demux():
            for target in targets[packet.stream.index] if packet.size else ():
                copy = av.Packet(bytes(packet))
                copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                copy.is_keyframe, copy.stream = packet.is_keyframe, target
                output.mux(copy)
    return path
