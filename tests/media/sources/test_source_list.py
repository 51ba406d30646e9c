from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from streamfer.errors import ConfigError, SourceError
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import expand_sources

KINDS = {
    "0": (SourceKind.CAMERA, "0", "camera-0"),
    "camera:1": (SourceKind.CAMERA, "1", "camera-1"),
    "camera:Logi Cam": (SourceKind.CAMERA, "Logi Cam", "camera-Logi-Cam"),
    "/dev/video2": (SourceKind.CAMERA, "/dev/video2", "camera-2"),
    "rtsp://cam/1": (SourceKind.NETWORK, "rtsp://cam/1", "cam-1"),
    "RTSPS://cam": (SourceKind.NETWORK, "RTSPS://cam", "cam"),
    "http://host:8080/a%20b/live.m3u8": (
        SourceKind.NETWORK,
        "http://host:8080/a%20b/live.m3u8",
        "host-a-b-live.m3u8",
    ),
    "https://[::1]/v": (SourceKind.NETWORK, "https://[::1]/v", "1-v"),
    "srt://:9000?mode=listener": (SourceKind.NETWORK, "srt://:9000?mode=listener", "srt"),
    "udp://@:1234": (SourceKind.NETWORK, "udp://@:1234", "udp"),
    "screen:": (SourceKind.SCREEN, "", "screen"),
    "screen::1": (SourceKind.SCREEN, ":1", "screen"),
    "lavfi:testsrc=size=64x48": (SourceKind.FILTER, "testsrc=size=64x48", "lavfi"),
    "lavfi:" + "x" * 5000: (SourceKind.FILTER, "x" * 5000, "lavfi"),
    "demo:": (SourceKind.DEMO, "", "demo"),
}


@pytest.mark.parametrize(("argument", "expected"), KINDS.items(), ids=lambda value: str(value)[:30])
def test_kinds(argument: str, expected: tuple[SourceKind, str, str]) -> None:
    (spec,) = expand_sources([argument])
    assert (spec.kind, spec.location, spec.name) == expected


@pytest.mark.parametrize(
    "name", ["talk.mp4", "camera:7", "a%20b.mp4", "odd", "lavfi:x.mkv", "at:b@c.mp4"]
)
def test_existing_file_wins(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).touch()
    (spec,) = expand_sources([name])
    assert (spec.kind, spec.path) == (SourceKind.FILE, Path(name))


def test_directory_in_natural_order_without_hidden_and_foreign_files(tmp_path: Path) -> None:
    for name in ("clip10.mp4", "clip2.MP4", "Clip1.jpg", ".hidden.mp4", "notes.txt", "z.webm"):
        (tmp_path / name).touch()
    (tmp_path / "folder.mp4").mkdir()
    specs = expand_sources([str(tmp_path)])
    assert [s.path.name for s in specs] == ["Clip1.jpg", "clip2.MP4", "clip10.mp4", "z.webm"]


def test_directory_without_anything_to_play(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(SourceError, match="no video or image in directory"):
        expand_sources([str(tmp_path)])


NAMES = {
    "unique": (["talk.mp4", "talk.mkv", "talk.avi"], ["talk", "talk-2", "talk-3"]),
    "unique whatever the case": (["Talk.mp4", "talk.mkv"], ["Talk", "talk-2"]),
    "number already taken": (["a.mp4", "a-2.mp4", "a.mkv"], ["a", "a-2", "a-3"]),
    "no leading dot": (["..sly.mp4"], ["sly"]),
    "nothing left": (["---.mp4"], ["stream"]),
    "unicode composed": (["Gespra\u0308ch 面接.mp4", "e\u0301.mp4"], ["Gespräch-面接", "é"]),
    "limited": (["x" * 200 + ".mp4"], ["x" * 60]),
    "no placeholder": (["{stream}%d.mp4"], ["stream-d"]),
}


@pytest.mark.parametrize(("files", "names"), NAMES.values(), ids=NAMES.keys())
def test_names(
    files: list[str], names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in files:
        Path(file).touch()
    assert [spec.name for spec in expand_sources(files)] == names


def test_missing_file_alone_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").touch()
    with pytest.raises(SourceError, match=r"no such file; did you mean .*talk\.mp4\?"):
        expand_sources([str(tmp_path / "tlak.mp4")])


def test_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no directory"):
        expand_sources([str(tmp_path / "nowhere" / "a.mp4")])


def test_missing_file_among_others_is_kept_for_its_turn(tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").touch()
    specs = expand_sources([str(tmp_path / "gone.mp4"), str(tmp_path / "talk.mp4")])
    assert [s.name for s in specs] == ["gone", "talk"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("", "a source is empty"),
        ("rstp://cam/1", "did you mean rtsp://"),
        ("ftp://host/a.mp4", "unknown kind of source"),
        ("file:///etc/passwd", "unknown kind of source"),
        ("camera:", "camera:0"),
        ("lavfi:", "lavfi:testsrc2"),
        ("cam:0", "did you mean camera:"),
        ("http:///path", "names no host"),
        ("rtsp://host:notaport/", "no valid URL"),
        ("rtsp://joe:se#same@cam/1", "percent-encode .* %40"),
        ("rtsp://joe#$:sesame@[::/", "percent-encode .* %40"),
        ("http://joe:a?b@[::/", "percent-encode .* %40"),
        ("rtsp:/cam/1.mp4", "two slashes"),
        ("rtsp:cam/1", "two slashes"),
        ("rtsp://[::1/x", "no valid URL"),
    ],
)
def test_nonsense_is_refused(argument: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        expand_sources([argument])


@pytest.mark.parametrize(
    "argument",
    [
        "rtsp://joe:hunter2@cam/1?token=hunter2",
        "http://hunter2@cam/x",
        "srt://cam?passphrase=hunter2",
        "rtsp://cam:554/user=joe_password=hunter2_channel=1_stream=0.sdp",
        "rtsp://cam/user=joe&password=hunter2&channel=1",
        "http://cam/%70assword%3Dhunter2/1",
        "http://cam/live/joe/hunter2/7.ts",
        "rtsp://joe:12/hunter2@cam/1",
        "rtsp://joe:#hunter2@cam/1",
        " rtsp://joe:hunter2@cam/1 ",
        "camera:rtsp://joe:hunter2@cam/1",
        "10.0.0.5/user=joe&password=hunter2.mp4",
    ],
)
def test_credentials_show_nowhere(argument: str) -> None:
    spec, _ = expand_sources([argument, "demo:"])
    assert "hunter2" in spec.location
    for text in (repr(spec), str(spec), spec.label, spec.name, f"{[spec]}"):
        assert "hunter2" not in text


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("rtsp://cam/user=joe&password=x&channel=1&stream=0.sdp", "cam-channel=1&stream=0.sdp"),
        ("rtsp://joe:x@cam/h264Preview_01_main", "cam-h264Preview_01_main"),
        ("http://cam/9f8e7d6c5b4a39281706f5e4/index.m3u8", "cam-index.m3u8"),
    ],
)
def test_a_name_keeps_what_is_not_secret(argument: str, name: str) -> None:
    (spec,) = expand_sources([argument])
    assert spec.name == name


@pytest.mark.parametrize(
    "argument",
    [
        "rtps://joe:hunter2@cam/1",
        "rtsp://joe:hunter2@cam:x/",
        "joe:hunter2@cam/1",
        "rtsp:/joe:hunter2@cam/1.mp4",
        "rtsp:joe:hunter2@cam/1",
        "cam/user=joe&password=hunter2",
        "joe:hunter2@10.0.0.9/video.mjpg",
        "joe:hunter2@cam.mp4",
        " my_joe:hunter2@cam/video.mjpg",
        "10.0.0.9/video.mjpg?user=hunter2",
    ],
)
def test_credentials_show_in_no_error(argument: str) -> None:
    with pytest.raises((ConfigError, SourceError)) as caught:
        expand_sources([argument])
    assert "hunter2" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text there")
def test_a_file_name_that_is_no_text_becomes_some(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/talk\xe9.mp4")
    Path(path).touch()
    (spec,) = expand_sources([str(tmp_path)])
    assert (spec.location, spec.name) == (path, "talk-xe9")
    assert spec.label == f"{tmp_path}/talk\\xe9.mp4"


def test_a_link_to_nothing_is_called_one(tmp_path: Path) -> None:
    link = tmp_path / "talk.mp4"
    link.symlink_to("gone.mp4")
    with pytest.raises(SourceError, match=r"it is a link to gone\.mp4, which there is not"):
        expand_sources([str(link)])


def test_a_missing_file_may_have_the_name_of_an_address(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    specs = expand_sources([str(tmp_path / "a.mp4"), "cam_12:30@home.mp4"])
    assert [spec.kind for spec in specs] == [SourceKind.FILE] * 2
