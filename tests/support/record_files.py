from __future__ import annotations

from streamfer.labels import LABELS
from streamfer.media.records.writer import ModelInfo, RecordHeader
from streamfer.types import FrameResult, StreamInfo
from tests.support.analysed import make_face, make_frame, make_result

FORMATS = (".jsonl", ".csv", ".parquet")


def header(*streams: str) -> RecordHeader:
    return RecordHeader(
        streams=tuple(
            StreamInfo(name, f"{name}.mp4", 64, 48, live=False) for name in streams or ("talk",)
        ),
        labels=LABELS,
        label_set="ferplus",
        detector=ModelInfo("centerface", "ab12"),
        face=ModelInfo("vgg", "cd34"),
        backend="onnxruntime",
        version="0.1.0",
    )


def some_results() -> list[FrameResult]:
    refined = make_face(
        2, latent_kind="refined", reconstruction_error=0.0315, refined_age_s=1.5, trust=0.92
    )
    return [
        make_result(0, faces=0),
        make_result(1, faces=2),
        FrameResult(make_frame(4, dropped=2), (make_face(), refined)),
        make_result(0, stream='odd, "name"\n', wall="2026-01-01T00:00:00+00:00"),
        make_result(5, faces=0),
    ]
