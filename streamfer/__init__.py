"""Streamfer reads faces in live video.

import streamfer
for result in streamfer.analyze("talk.mp4"):
    for face in result.faces:
        print(result.frame.time_s, face.track_id, face.emotion)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from streamfer.errors import (
    ConfigError,
    EngineError,
    OutputError,
    PipelineError,
    SourceError,
    StreamferError,
)
from streamfer.labels import LABELS

__version__ = "0.1.0"
__all__ = [
    "LABELS",
    "ConfigError",
    "Detection",
    "EngineError",
    "FaceHead",
    "FaceResult",
    "Frame",
    "FrameResult",
    "OutputError",
    "PipelineError",
    "Session",
    "Sink",
    "Source",
    "SourceError",
    "StreamEvent",
    "StreamInfo",
    "StreamferError",
    "__version__",
    "analyze",
    "analyze_async",
    "analyze_image",
    "read_records",
]

if TYPE_CHECKING:
    from streamfer.app.api import analyze, analyze_async, analyze_image
    from streamfer.app.session.session import Session
    from streamfer.media.records.reader import read_records
    from streamfer.media.sources.source import Source
    from streamfer.pipeline.outlet import Sink
    from streamfer.types import Detection, FaceResult, Frame, FrameResult, StreamEvent, StreamInfo
    from streamfer.vision.heads.head import FaceHead

_FOUND_IN = {
    "analyze": "streamfer.app.api",
    "analyze_async": "streamfer.app.api",
    "analyze_image": "streamfer.app.api",
    "Session": "streamfer.app.session.session",
    "Source": "streamfer.media.sources.source",
    "Sink": "streamfer.pipeline.outlet",
    "FaceHead": "streamfer.vision.heads.head",
    "read_records": "streamfer.media.records.reader",
    **dict.fromkeys(
        ("Detection", "FaceResult", "Frame", "FrameResult", "StreamEvent", "StreamInfo"),
        "streamfer.types",
    ),
}


def __getattr__(name: str) -> Any:
    """Loads the program on first use, so that importing a part of the package stays cheap."""
    if name not in _FOUND_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_FOUND_IN[name]), name)


def __dir__() -> list[str]:
    return __all__
