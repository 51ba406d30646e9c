from __future__ import annotations

import errno
from pathlib import Path

import av
import pytest

from streamfer.errors import SourceError
from streamfer.media.sources.camera import camera_endpoint, list_cameras
from streamfer.media.sources.live import LiveSource
from tests.support.live import Recorder


@pytest.mark.parametrize(
    ("location", "platform", "url", "device_format"),
    [
        ("0", "linux", "/dev/video0", "v4l2"),
        ("/dev/video2", "linux", "/dev/video2", "v4l2"),
        ("0", "darwin", "0", "avfoundation"),
        ("FaceTime HD Camera", "darwin", "FaceTime HD Camera", "avfoundation"),
        ("HD Webcam", "win32", "video=HD Webcam", "dshow"),
        ("²", "win32", "video=²", "dshow"),
    ],
)
def test_each_platform_has_its_device_format(
    location: str, platform: str, url: str, device_format: str
) -> None:
    endpoint = camera_endpoint(location, platform)
    assert (endpoint.url, endpoint.format) == (url, device_format)
    assert endpoint.label == f"camera:{location}"


@pytest.mark.parametrize(("platform", "option"), [("linux", "input_format"), ("win32", "vcodec")])
def test_mjpeg_at_thirty_frames_is_asked_for_first(platform: str, option: str) -> None:
    first, *others = camera_endpoint("cam", platform).variants
    assert first == {option: "mjpeg", "framerate": "30"}
    assert all(option not in variant for variant in others)
    assert {} in others


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (av.error.PermissionError(errno.EACCES, "x"), "no permission to use /dev/video0"),
        (av.error.OSError(errno.EBUSY, "x"), "in use by another program"),
        (av.error.OSError(errno.ENOTTY, "x"), "is no camera"),
        (av.error.FileNotFoundError(errno.ENOENT, "x"), "no such camera; this machine has: "),
        (ValueError("no container format 'v4l2'"), "FFmpeg has no support for 'v4l2'"),
    ],
)
def test_failures_are_told_apart(error: Exception, reason: str) -> None:
    assert reason in str(camera_endpoint("0", "linux").explain(error, None))


def test_a_camera_that_gives_nothing_is_told_as_such() -> None:
    failure = camera_endpoint("0", "linux").explain(av.error.ExitError(1, "x"), 5.0)
    assert str(failure) == "it gives no picture within 5 s"


def test_an_absent_camera_is_an_error_at_once_that_names_what_exists() -> None:
    endpoint = camera_endpoint("/dev/video4711", "linux")
    source = LiveSource("cam", endpoint, Recorder().callbacks())
    found = ", ".join(list_cameras("linux")) or "none"
    expected = f"camera:/dev/video4711: no such camera; this machine has: {found}"
    with pytest.raises(SourceError) as caught:
        next(source.frames())
    assert str(caught.value) == expected


def test_a_file_that_is_no_camera_is_an_error_at_once() -> None:
    source = LiveSource("cam", camera_endpoint("/dev/null", "linux"), Recorder().callbacks())
    with pytest.raises(SourceError, match="is no camera"):
        next(source.frames())


def test_cameras_are_listed_in_order() -> None:
    listed = [int(Path(path).name[5:]) for path in list_cameras("linux")]
    assert listed == sorted(listed)
