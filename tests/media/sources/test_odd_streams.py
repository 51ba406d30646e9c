"""Live streams with tracks that cannot be used: the rest of them is, and other streams go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import pytest

from streamfer.errors import SourceError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.sources.connection import Connection
from streamfer.media.sources.endpoint import Endpoint, LiveConfig
from streamfer.media.sources.live import LiveSource
from streamfer.media.sources.live_sound import LiveSound, describe
from streamfer.media.sources.loss import ConnectionLost, LossKind
from streamfer.media.sources.packets import PacketMemory
from streamfer.media.video.clips import ClipFiles, LiveClips
from streamfer.media.video.file_clips import FileClips
from tests.support.clips import ClipSpec, make_clip
from tests.support.live import ENDPOINT, FakeClock, Recorder, ScriptedConnect, ScriptedConnection
from tests.support.transport_stream import without_pid

VIDEO_PID, AUDIO_PID = 256, 257
"""As FFmpeg numbers them."""


def odd_clip(folder: Path, oddity: str) -> Path:
    """A second of video with sound, one of which is not as it should be."""
    path = folder / ("in.ts" if oddity.startswith("silent") else "in.mkv")
    content = make_clip(path, ClipSpec(frames=25, audio="aac")).read_bytes()
    path.write_bytes(
        {
            "unknown video": lambda: content.replace(b"V_MPEG4/ISO/AVC", b"V_NEWCODEC/V001"),
            "unknown sound": lambda: content.replace(b"A_AAC", b"A_XYZ"),
            "silent video": lambda: without_pid(content, VIDEO_PID),
            "silent sound": lambda: without_pid(content, AUDIO_PID),
        }[oddity]()
    )
    return path


def endpoint(path: Path, packets: PacketMemory | None = None) -> Endpoint:
    return Endpoint(str(path), "cam", ({},), packets=packets, read_timeout_s=60.0)


def test_video_without_a_decoder_is_not_waited_for(tmp_path: Path) -> None:
    path = odd_clip(tmp_path, "unknown video")
    with pytest.raises(ConnectionLost, match="FFmpeg has no decoder for its video") as caught:
        Connection(endpoint(path), 60.0)
    assert caught.value.kind is LossKind.UNSUPPORTED


@pytest.mark.parametrize("oddity", ["unknown sound", "silent sound"])
def test_sound_that_cannot_be_used_costs_neither_pictures_nor_clips(
    tmp_path: Path, oddity: str
) -> None:
    memory, sound = PacketMemory(60.0), LiveSound()
    opened = replace(endpoint(odd_clip(tmp_path, oddity), memory), sound=sound)
    with Connection(opened, 60.0) as connection:
        assert len(list(connection.pictures())) == 25
    assert sound.stream is None
    assert memory.problem is None
    memory.place(0.0, 0.0)  # its media times are its own
    clip = LiveClips(memory).write(ClipFiles(tmp_path / "clip", OutputClaims()), 0.0, 60.0)
    assert clip is not None
    with av.open(str(clip)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert len(list(container.decode(video=0))) == 25


@pytest.mark.parametrize("oddity", ["unknown sound", "silent sound"])
def test_files_with_such_sound_have_clips_too(tmp_path: Path, oddity: str) -> None:
    clips = FileClips(odd_clip(tmp_path, oddity), 0.0)
    written = clips.write(ClipFiles(tmp_path / "clip", OutputClaims()), 0.0, 60.0)
    clips.close()
    assert written is not None


def test_streams_that_no_file_can_describe_leave_no_clips_and_a_reason(tmp_path: Path) -> None:
    memory = PacketMemory(60.0)
    with Connection(endpoint(odd_clip(tmp_path, "silent video"), memory), 60.0) as connection:
        assert list(connection.pictures()) == []
    assert memory.problem == "its video cannot be carried by any container"
    clips = LiveClips(memory)
    assert clips.write(ClipFiles(tmp_path / "clip", OutputClaims()), 0.0, 60.0) is None
    assert clips.problem == memory.problem


def test_video_is_kept_alone_where_its_sound_cannot_be_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_video_only(streams: list[av.stream.Stream]) -> bytes:
        if len(streams) > 1:
            raise ValueError("no such sound")
        return describe(streams)

    monkeypatch.setattr("streamfer.media.sources.packets.describe", of_video_only)
    clip, memory = make_clip(tmp_path / "in.mkv", ClipSpec(frames=25, audio="aac")), PacketMemory(9)
    with Connection(endpoint(clip, memory), 60.0) as connection:
        assert len(list(connection.pictures())) == 25
    memory.place(0.0, 0.0)
    _, packets = memory.recent()
    assert (len(packets), memory.problem) == (25, None)
    assert all(packet.is_video for packet in packets)


@pytest.mark.parametrize("kind", ["mp4", "flv"])
def test_a_name_in_an_old_encoding_is_no_hindrance(tmp_path: Path, kind: str) -> None:
    spec = ClipSpec(frames=25, audio="aac")
    path = titled_clip(tmp_path / f"in.{kind}", spec, "Kamera Eingang")
    content = path.read_bytes()
    assert content.count(b"Kamera Eingang") >= 1
    path.write_bytes(content.replace(b"Kamera Eingang", b"Kamera Eing\xe4ng"))
    memory, sound = PacketMemory(60.0), LiveSound()
    with Connection(replace(endpoint(path, memory), sound=sound), 60.0) as connection:
        assert len(list(connection.pictures())) == 25
    assert sound.stream is not None
    memory.place(0.0, 0.0)
    clip = LiveClips(memory).write(ClipFiles(tmp_path / "clip", OutputClaims()), 0.0, 60.0)
    assert clip is not None


def titled_clip(path: Path, spec: ClipSpec, title: str) -> Path:
    """A clip whose container and streams are called something."""
    plain = make_clip(path.with_name(f"plain{path.suffix}"), spec)
    with av.open(str(plain)) as source, av.open(str(path), "w") as output:
        copies = {s.index: output.add_stream_from_template(s) for s in source.streams}
        output.metadata["title"] = title
        for copy in copies.values():
            copy.metadata["title"] = copy.metadata["handler_name"] = title
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                output.mux(packet)
    return path


def test_what_nobody_expects_while_opening_closes_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(self: PacketMemory, streams: object) -> None:
        raise ValueError("rtsp://u:hunter2@cam/1 is odd\nvery")

    monkeypatch.setattr(PacketMemory, "begin", odd)
    clip = make_clip(tmp_path / "in.mkv", ClipSpec(frames=2))
    closed: list[bool] = []
    close = Connection._close
    monkeypatch.setattr(Connection, "_close", lambda self: (closed.append(True), close(self))[1])
    with pytest.raises(ConnectionLost, match="cannot be read") as caught:
        Connection(endpoint(clip, PacketMemory(9.0)), 60.0)
    assert closed == [True]
    assert "hunter2" not in str(caught.value) + str(caught.value.__cause__)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        *(ValueError("odd"), RuntimeError("odd"), IndexError("odd")),
        av.error.InvalidDataError(1, "odd"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_nobody_expects_is_a_loss_of_this_stream(error: Exception) -> None:
    recorder = Recorder()
    config = LiveConfig(backoff_min_s=0.0, backoff_max_s=0.0, max_reconnects=1)
    connect = ScriptedConnect(ScriptedConnection(0, error), error, error)
    source = LiveSource(
        "cam", ENDPOINT, recorder.callbacks(), config, clock=FakeClock(), connect=connect
    )
    with pytest.raises(SourceError, match=r"^rtsp://\*\*\*@cam/1: the stream cannot be read: odd$"):
        list(source.frames())
    assert recorder.event_kinds() == ["opened", "disconnected"]
