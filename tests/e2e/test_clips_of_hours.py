"""Clips where the disk is full, and over hours."""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from skimage.data import astronaut

import streamfer
from streamfer import read_records
from streamfer.app.session.clip_sink import ClipConfig, ClipSink
from streamfer.media.files.claims import OutputClaims
from streamfer.media.sources.packets import PacketMemory
from streamfer.media.video.clips import LiveClips
from streamfer.types import Frame, FrameResult, StreamEvent
from tests.support.clips import ClipSpec, make_clip


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 64 kB; skips the test where none can be made."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("cannot mount a small file system here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_ends_the_clips_with_an_event_and_nothing_else(
    small_disk: Path, tmp_path: Path
) -> None:
    spec = ClipSpec(frames=50, size=(512, 512), options={"g": "10"})
    talk = make_clip(tmp_path / "talk.mp4", spec, [astronaut()] * 50)
    (small_disk / "full").write_bytes(bytes(60_000))
    with streamfer.Session(refine=False) as session:
        outcome = session.run(talk, clips=small_disk, clip_after=0.5, records=tmp_path / "r.jsonl")
    ((name, error),) = outcome.failures
    assert name == f"clips of talk in {small_disk}"
    assert "cannot write the clip (No space left on device)" in str(error)
    assert [path.name for path in small_disk.iterdir()] == ["full"]
    records = read_records(tmp_path / "r.jsonl")
    assert len(list(records.frames)) == 50
    (said,) = [event for event in records.events if event["event"] == "error"]
    assert said["message"] == str(error)


class Hour:
    """A camera's packets: a short clip with sound, over and over, on one clock."""

    def __init__(self, clip: Path, stack: ExitStack, memory: PacketMemory) -> None:
        self._memory = memory
        container = stack.enter_context(av.open(str(clip)))
        streams = [container.streams.video[0], container.streams.audio[0]]
        memory.begin(streams)
        self._packets = [packet for packet in container.demux(streams) if packet.size]
        self.round_s = 10
        self._times = [(packet.pts, packet.dts) for packet in self._packets]

    def play(self, number: int) -> Iterator[float]:
        """Brings round `number`; gives the time of each picture, in seconds."""
        for packet, (pts, dts) in zip(self._packets, self._times, strict=True):
            shift = round(number * self.round_s / packet.time_base)
            packet.pts, packet.dts = pts + shift, dts + shift
            self._memory.add(packet)
            if packet.stream.type == "video":
                time_s = float(packet.pts * packet.time_base)
                self._memory.place(time_s, time_s)
                yield time_s


def resident_mb() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_events_in_an_hour_take_flat_memory(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "talk.mp4", ClipSpec(frames=250, audio="aac", options={"g": "50", "bf": "0"})
    )
    memory = PacketMemory(20.0)
    sink = ClipSink(
        "cam", ClipConfig(tmp_path / "clips"), lambda _: LiveClips(memory), OutputClaims()
    )
    image = np.zeros((64, 96, 3), np.uint8)
    events, sizes_mb, seen = 0, [], 0
    with ExitStack() as stack:
        hour = Hour(clip, stack, memory)
        for number in range(360):
            for time_s in hour.play(number):
                frame = Frame("cam", seen, seen, Fraction(1, 25), time_s, 0.0, image)
                sink.write(FrameResult(frame, ()))
                seen += 1
                if time_s >= events * 36 + 10 and events < 100:
                    sink.event(StreamEvent("cam", "rule", time_s))
                    events += 1
                    sizes_mb.append(resident_mb())
        sink.close()
    clips = sorted((tmp_path / "clips").iterdir())
    assert len(clips) == events == 100
    assert max(sizes_mb[50:]) - max(sizes_mb[10:50]) < 5
    for path in clips[::10]:
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            packets = [packet for packet in container.demux() if packet.size]
        times = {
            kind: [float(p.pts * p.time_base) for p in packets if p.stream.index == kind.index]
            for kind in (video, audio)
        }
        assert packets[0].is_keyframe
        assert 10.0 <= times[video][-1] <= 12.0 + 0.1  # back to the key frame before
        assert abs(times[audio][0] - times[video][0]) < 0.05
        assert abs(times[audio][-1] - times[video][-1]) < 0.2
