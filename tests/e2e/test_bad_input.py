"""What goes wrong ends with its exit code and one line; nothing is lost and nothing hangs."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamfer import read_records
from tests.support.clips import ClipSpec, make_clip
from tests.support.program import frame_records, record_lines, streamfer
from tests.support.shared import shared_file

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "good.mp4", ClipSpec(frames=8))


def test_a_missing_file(capfd: Capture, tmp_path: Path) -> None:
    ended = streamfer(capfd, "run", tmp_path / "none.mp4")
    assert ended.code == 3
    assert "none.mp4" in ended.complaint


@pytest.mark.parametrize("content", [b"", b"this is no video\n" * 100], ids=["empty", "text"])
def test_a_file_that_is_no_video(capfd: Capture, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fake.mp4"
    path.write_bytes(content)
    ended = streamfer(capfd, "run", path, "--output", tmp_path / "out.mp4")
    assert ended.code == 3
    assert "fake.mp4" in ended.complaint
    assert not (tmp_path / "out.mp4").exists()


def test_a_file_cut_in_half_is_analysed_as_far_as_it_goes(capfd: Capture, tmp_path: Path) -> None:
    whole = shared_file("media/WolfgangLanger_Pexels.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    ended = streamfer(
        capfd, "run", tmp_path / "half.mp4", "--records", tmp_path / "half.jsonl",
        "--output", tmp_path / "out.mp4", "--detect-size", 128,
    )  # fmt: skip
    assert ended.code == 3
    assert "228" in ended.complaint
    assert len(frame_records(tmp_path / "half.jsonl")) == 228
    assert record_lines(tmp_path / "half.jsonl")[-1]["event"] == "error"


def test_audio_only(capfd: Capture, tmp_path: Path) -> None:
    import wave

    with wave.open(str(tmp_path / "sound.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"\0\0" * 8000)
    ended = streamfer(capfd, "run", tmp_path / "sound.wav")
    assert ended.code == 3
    assert "sound.wav" in ended.complaint


def test_an_empty_directory(capfd: Capture, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ended = streamfer(capfd, "run", tmp_path / "empty")
    assert ended.code == 3
    assert "empty" in ended.complaint


def test_one_bad_file_among_ten_good_ones(capfd: Capture, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(10):
        make_clip(folder / f"good{number}.mp4", ClipSpec(frames=4))
    (folder / "good4b.mp4").write_bytes(b"no video")
    records = tmp_path / "records.jsonl"
    ended = streamfer(
        capfd, "run", folder, "--records", records, "--output", tmp_path / "out" / "{stream}.mp4"
    )
    assert ended.code == 3
    assert "good4b.mp4" in ended.complaint
    assert len(frame_records(records)) == 40
    assert len(list((tmp_path / "out").iterdir())) == 10


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A port that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_an_address_that_refuses(capfd: Capture) -> None:
    ended = streamfer(
        capfd, "run", f"rtsp://user:secret@127.0.0.1:{free_port()}/x", "--max-reconnects", 0
    )
    assert ended.code == 3
    assert "127.0.0.1" in ended.complaint
    assert "secret" not in ended.out + ended.err


def test_an_address_that_accepts_and_says_nothing(capfd: Capture) -> None:
    with silent_server() as port:
        ended = streamfer(capfd, "run", f"rtsp://127.0.0.1:{port}/x", "--max-reconnects", 0)
    assert ended.code == 3
    assert f"127.0.0.1:{port}" in ended.complaint


@pytest.mark.parametrize("camera", ["97", "camera:97", "/dev/video97"])
def test_an_absent_camera(capfd: Capture, camera: str) -> None:
    ended = streamfer(capfd, "run", camera, "--max-reconnects", 0)
    assert ended.code == 3
    assert "97" in ended.complaint


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--output", "{clip}"], 2, "is the input"),
        (["--records", "{clip}"], 2, "is the input"),
        (["{clip}", "--output", "{folder}/x.mp4"], 2, "{stream}"),
        (["--output", "{folder}/x.txt"], 2, "must end in"),
        (["--output", "{folder}"], 4, "is a folder"),
        (["--output", "/proc/nowhere/x.mp4"], 4, "/proc/nowhere"),
        (["--recods", "x"], 2, "--records"),
        (["--crf", "99"], 2, "--crf"),
        (["--backend", "magic"], 2, "onnxruntime"),
        (["--encoder", "magic", "--output", "{folder}/x.mp4"], 2, "libx264"),
        (["--device", "cuda", "--backend", "openvino"], 5, "CPU"),
        (["--config", "{folder}/none.toml"], 2, "none.toml"),
        (["--detector", "haar"], 2, "centerface"),
        (["--skip-existing"], 2, "--output"),
        (["--skip-existing", "--loop", "2", "--output", "{folder}/x.mp4"], 2, "whole files"),
    ],
)
def test_bad_usage(
    capfd: Capture, clip: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    typed = [a.replace("{clip}", str(clip)).replace("{folder}", str(tmp_path)) for a in arguments]
    before = clip.read_bytes()
    ended = streamfer(capfd, "run", clip, *typed)
    assert ended.code == code
    assert message in ended.complaint
    assert clip.read_bytes() == before


@pytest.mark.parametrize("flag", ["--output", "--records", "--json-summary"])
def test_a_full_disk_as_the_only_output(
    capfd: Capture, clip: Path, tmp_path: Path, flag: str
) -> None:
    suffix = {"--output": "mp4", "--records": "jsonl", "--json-summary": "json"}[flag]
    full = tmp_path / f"full.{suffix}"
    full.symlink_to("/dev/full")
    ended = streamfer(capfd, "run", clip, flag, full)
    assert ended.code == 4
    assert f"full.{suffix}" in ended.complaint


def test_a_full_disk_beside_a_good_output(capfd: Capture, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "full.mp4").symlink_to("/dev/full")
    records = tmp_path / "good.jsonl"
    ended = streamfer(capfd, "run", clip, "--output", tmp_path / "full.mp4", "--records", records)
    assert ended.code == 4
    assert "full.mp4" in ended.complaint
    assert len(frame_records(records)) == 8


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    import subprocess
    import sys

    ended = subprocess.run(
        [sys.executable, "-m", "streamfer", "run", tmp_path / "none.mp4", "--log-level", "debug"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    assert "Traceback" in ended.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text there")
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_file_names_that_are_no_text_stop_nothing(
    capfd: Capture, tmp_path: Path, suffix: str
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    named = os.fsencode(folder) + b"/talk\xe9.mp4"
    make_clip(tmp_path / "clip.mp4", ClipSpec(frames=2)).rename(os.fsdecode(named))
    (folder / os.fsdecode(b"brok\xe9n.mp4")).write_bytes(b"no video")
    records = tmp_path / f"records.{suffix}"
    ended = streamfer(
        capfd, "run", folder, "--no-refine", "--records", records,
        "--output", tmp_path / "{stream}.mp4", "--json-summary", tmp_path / "summary.json",
    )  # fmt: skip
    assert ended.code == 3  # for the broken one only
    assert (tmp_path / "talk-xe9.mp4").exists()
    read = read_records(records)
    assert [frame["stream"] for frame in read.frames] == ["talk-xe9"] * 2
    assert [event["stream"] for event in read.events] == ["brok-xe9n"]
