from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from streamfer.labels import LABELS
from streamfer.media.record_schema import ModelInfo, RecordHeader
from streamfer.media.records import open_records
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


def test_jsonl_says_exactly_what_the_schema_says(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    with_latent = make_face(
        latent_kind="refined", reconstruction_error=0.03149999, refined_age_s=1.5, trust=0.92
    )
    with closing(open_records(path, header())) as records:
        records.write(make_result(0, faces=1))
        records.write(FrameResult(make_frame(12, dropped=3), (with_latent,)))
        records.write(make_result(13, faces=0))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {
        "schema": "streamfer.records/1",
        "streams": [
            {"stream": "talk", "source": "talk.mp4", "width": 64, "height": 48, "live": False}
        ],
        "labels": list(LABELS),
        "label_set": "ferplus",
        "models": {
            "detector": {"name": "centerface", "sha256": "ab12"},
            "face": {"name": "vgg", "sha256": "cd34"},
        },
        "backend": "onnxruntime",
        "streamfer": "0.1.0",
    }
    assert lines[1] == {
        "stream": "talk",
        "frame": 0,
        "time_s": 0.0,
        "dropped": 0,
        "faces": [
            {
                "track": 1,
                "box": [10.13, 8.0, 30.0, 28.0],
                "score": 0.998,
                "landmarks": [[15, 14], [25, 14], [20, 18], [16, 23], [24, 23.33]],
                "emotion": "happy",
                "probs": [0.01, 0.02, 0.03, 0.7, 0.04, 0.1, 0.1],
                "smoothed": [0.02, 0.01, 0.03, 0.7, 0.04, 0.1, 0.1],
                "latent": None,
                "reconstruction_error": None,
                "refined_age_s": None,
                "trust": None,
            }
        ],
    }
    assert list(lines[1]) == ["stream", "frame", "time_s", "dropped", "faces"]
    assert lines[2]["frame"] == 12
    assert lines[2]["dropped"] == 3
    face = lines[2]["faces"][0]
    assert (face["latent"], face["refined_age_s"], face["trust"]) == ("refined", 1.5, 0.92)
    assert face["reconstruction_error"] == 0.0315
    assert lines[3]["faces"] == []
