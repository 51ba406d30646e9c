"""Cameras of this machine, through FFmpeg's device formats."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import av
import av.device

from streamfer.media.redact import redact_text
from streamfer.media.sources.endpoint import Endpoint
from streamfer.media.sources.loss import ConnectionLost, LossKind

_FORMATS = {"darwin": "avfoundation", "win32": "dshow"}
"""FFmpeg's device format by platform; `v4l2` elsewhere."""

# MJPEG first: over USB 2, raw pictures of more than 640×480 come at a few frames/s only.
_VARIANTS: Mapping[str, tuple[Mapping[str, str], ...]] = {
    "v4l2": ({"input_format": "mjpeg", "framerate": "30"}, {"framerate": "30"}, {}),
    "avfoundation": ({"framerate": "30"}, {}),
    "dshow": ({"vcodec": "mjpeg", "framerate": "30"}, {"framerate": "30"}, {}),
}


def camera_endpoint(location: str, platform: str = sys.platform) -> Endpoint:
    """The endpoint of a camera; whether it is there shows only when it is opened.

    Args:
        location: its number from 0, its name as `list_cameras` gives it, or on Linux its path.
        platform: as `sys.platform`.
    """
    device_format = _FORMATS.get(platform, "v4l2")
    url = location
    if device_format == "v4l2" and location.isdecimal():
        url = f"/dev/video{location}"
    elif device_format == "dshow":
        url = f"video={_dshow_name(location)}"
    label = f"camera:{redact_text(location)}"
    return Endpoint(
        url=url,
        label=label,
        variants=_VARIANTS[device_format],
        format=device_format,
        explain=_explain(url, platform),
    )


def list_cameras(platform: str = sys.platform) -> list[str]:
    """What `camera:` can be given on this machine: paths on Linux, names elsewhere."""
    device_format = _FORMATS.get(platform, "v4l2")
    if device_format == "v4l2":
        paths = [path for path in Path("/dev").glob("video*") if path.name[5:].isdecimal()]
        return [str(path) for path in sorted(paths, key=lambda path: int(path.name[5:]))]
    try:
        devices = av.device.enumerate_input_devices(device_format)
    except (av.error.FFmpegError, ValueError):  # an FFmpeg built without this device format
        return []
    return [device.description for device in devices if "audio" not in device.media_types]


def _dshow_name(location: str) -> str:
    """DirectShow opens cameras by name only."""
    names = list_cameras("win32") if location.isdecimal() else []
    return names[int(location)] if names and int(location) < len(names) else location


def _explain(device: str, platform: str) -> Callable[[Exception, float | None], ConnectionLost]:
    def explain(error: Exception, timed_out_s: float | None) -> ConnectionLost:
        reason = _reason(error, device)
        if timed_out_s is not None:
            reason = f"it gives no picture within {timed_out_s:g} s"
        elif reason is None:
            found = ", ".join(list_cameras(platform)) or "none"
            reason = f"no such camera; this machine has: {found}"
        return ConnectionLost(reason, LossKind.ABSENT)

    return explain


def _reason(error: Exception, device: str) -> str | None:
    """Why a camera that is there cannot be used; None where it is not there."""
    code = getattr(error, "errno", None)
    if code in (errno.EACCES, errno.EPERM):
        return f"no permission to use {device}; allow it, on Linux by joining the group `video`"
    if code == errno.EBUSY:
        return f"{device} is in use by another program; close that one"
    if code in (errno.ENOTTY, errno.EINVAL):
        return f"{device} is no camera, or offers no picture format that FFmpeg knows"
    if isinstance(error, ValueError):  # PyAV knows no such format
        missing = re.sub(r"^no container format", "no support for", str(error))
        return f"the installed FFmpeg has {missing}"
    return None
