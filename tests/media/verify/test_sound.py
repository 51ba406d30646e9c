from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from streamfer.media.sources.audio_clock import move
from streamfer.media.verify.outputs import verify_outputs
from tests.support.clips import ClipSpec, make_clip
from tests.support.verified import COUNT, SIZE, run_on
from tests.support.written import copy_stream


def remux(
    source: Path, path: Path, change: Callable[[int, Any], Any], **container_options: str
) -> Path:
    """Copies all packets; `change` gets each audio packet and its number and returns it or None."""
    with (
        av.open(str(source)) as container,
        av.open(str(path), "w", container_options=container_options) as output,
    ):
        streams = {s.index: output.add_stream_from_template(s) for s in container.streams}
        number = 0
        for packet in container.demux():
            if packet.size == 0:
                continue
            index = packet.stream.index
            copy: Any = packet
            if packet.stream.type == "audio":
                copy = change(number, packet)
                number += 1
            if copy is not None:
                copy.stream = streams[index]
                output.mux_one(copy)
    return path


def left_out(number: int, packet: Any) -> Any:
    return None if number == 20 else packet


def altered(number: int, packet: Any) -> Any:
    if number != 20:
        return packet
    payload = bytearray(bytes(packet))
    payload[5] ^= 1
    changed = av.Packet(bytes(payload))
    changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
    changed.duration = packet.duration
    return changed


def late(number: int, packet: Any) -> Any:
    if number >= 20:
        packet.pts += 500
        packet.dts += 500
    return packet


def early(number: int, packet: Any) -> Any:
    move(packet, Fraction(-7, 4))
    return packet


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (left_out, "audio packet 20 differs"),
        (altered, "audio packet 20 differs"),
        (late, "audio packet 20 is at"),
        (lambda number, packet: packet if number < 60 else None, "audio packet 60 is missing"),
    ],
    ids=["left out", "altered", "late", "end missing"],
)
def test_damage_to_the_sound_is_found(
    clip: Path,
    healthy: tuple[Path, Path],
    tmp_path: Path,
    change: Callable[[int, Any], Any],
    found: str,
) -> None:
    damaged = remux(healthy[0], tmp_path / "damaged.mp4", change)
    assert any(found in line for line in verify_outputs(clip, damaged, None))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sound_from_long_before_the_video_is_no_difference(tmp_path: Path, suffix: str) -> None:
    whole = make_clip(tmp_path / "whole.mp4", ClipSpec(frames=75, audio="aac"))
    as_they_are = {"avoid_negative_ts": "disabled", "muxdelay": "0"}
    clip = remux(whole, tmp_path / "early.ts", early, **as_they_are)
    path = tmp_path / f"out{suffix}"
    copy_stream(clip, path)
    assert verify_outputs(clip, path, None) == []
    damaged = remux(path, tmp_path / f"damaged{suffix}", lambda n, p: None if n == 60 else p)
    assert verify_outputs(clip, damaged, None) != []


def test_missing_sound_is_found(clip: Path, tmp_path: Path) -> None:
    silent = make_clip(tmp_path / "silent.mp4", ClipSpec(frames=COUNT, size=SIZE))
    output, _ = run_on(clip, tmp_path, audio=silent)
    assert verify_outputs(clip, output, None) == [f"{output}: has no sound; the input has"]
