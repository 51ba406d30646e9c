"""The desktop as a source, through X11."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import av

from streamfer.media.redact import redact_text
from streamfer.media.sources.endpoint import Endpoint
from streamfer.media.sources.loss import ConnectionLost, LossKind

_RELAY = Path(__file__).with_name("screen_relay.py")


def screen_endpoint(location: str) -> Endpoint:
    """The endpoint of an X11 display; whether there is one shows only when it is opened.

    Args:
        location: display with an optional corner to start from, such as `:0.0+100,200`; empty for
            the display of this session.
    """
    display = location or os.environ.get("DISPLAY", "")

    def explain(error: Exception, timed_out_s: float | None) -> ConnectionLost:
        if not display:
            reason = "there is no display: DISPLAY is not set"
        elif "x11grab" not in av.formats_available:
            reason = "the installed FFmpeg cannot capture the screen (it has no x11grab)"
        else:
            reason = f"cannot open display {display}"
        return ConnectionLost(reason, LossKind.ABSENT)

    return Endpoint(
        url=display,
        label=f"screen:{redact_text(location)}",
        variants=({},),
        format="nut",
        # -P: the modules beside the program must not stand in for the standard library's.
        relay=(sys.executable, "-P", str(_RELAY), display),
        explain=explain,
    )
