"""Streamfer reads faces in live video.

import streamfer
for result in streamfer.analyze("talk.mp4"):
    for face in result.faces:
        print(result.frame.time_s, face.track_id, face.emotion)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "analyze"]

if TYPE_CHECKING:
    from streamfer.app.api import analyze


def __getattr__(name: str) -> Any:
    """Loads the program on first use, so that importing a part of the package stays cheap."""
    if name == "analyze":
        from streamfer.app.api import analyze

        return analyze
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
