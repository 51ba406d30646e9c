"""Decoding by hardware, such as NVDEC, through FFmpeg."""

from __future__ import annotations

import av
from av.codec.hwaccel import HWAccel, hwdevices_available

from streamfer.errors import ConfigError


def check_hwaccel(name: str) -> None:
    """Finds out whether hardware decoding works on this machine.

    Raises:
        ConfigError: FFmpeg does not know it, or it does not start.
    """
    known = hwdevices_available()
    if name not in known:
        raise ConfigError(
            f"--hwaccel {name}: the installed FFmpeg has {', '.join(known) or 'none'}"
        )
    try:
        HWAccel(device_type=name).create(av.Codec("h264", "r"))
    except (av.error.FFmpegError, NotImplementedError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"--hwaccel {name}: does not start on this machine ({reason})") from error


def accelerator(name: str | None) -> HWAccel | None:
    """What `av.open` takes; codecs that the hardware cannot decode are decoded on the CPU.

    Args:
        name: FFmpeg's, such as `cuda`; None for the CPU.
    """
    return HWAccel(device_type=name, allow_software_fallback=True) if name else None
