from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from streamfer.labels import LABELS
from streamfer.media.records.writer import ModelInfo, RecordHeader, open_records
from streamfer.media.sources.file import FileSource
from streamfer.media.video.audio import AudioSpan
from streamfer.media.video.writer import VideoWriter
from streamfer.types import FaceResult, FrameResult, UInt8Array
from streamfer.vision.overlay.overlay import Overlay, StripInfo
from tests.support.analysed import make_face

SIZE = (320, 192)
COUNT = 40


def moving_pictures() -> list[UInt8Array]:
    """Smooth noise that moves by four pixels per frame."""
    noise = np.random.default_rng(3).integers(40, 215, (SIZE[1] // 16, 64, 3), dtype=np.uint8)
    wide = noise.repeat(16, axis=0).repeat(16, axis=1)
    return [np.ascontiguousarray(wide[:, 4 * i : 4 * i + SIZE[0]]) for i in range(COUNT)]


def run_on(
    source_path: Path,
    folder: Path,
    suffix: str = ".mp4",
    records_suffix: str = ".jsonl",
    keep: Callable[[int], bool] = lambda index: True,
    late_s: Fraction = Fraction(0),
    draw: Callable[[int, UInt8Array], None] = lambda index, image: None,
    audio: Path | None = None,
    face: FaceResult | None = None,
) -> tuple[Path, Path]:
    """What a run writes, damaged where asked: output and records."""
    output, records = folder / f"out{suffix}", folder / f"out{records_suffix}"
    overlay = Overlay()
    with closing(FileSource(source_path, "talk")) as source:
        info = source.open()
        model = ModelInfo("model", "00")
        header = RecordHeader((info,), LABELS, "ferplus", model, model, "onnxruntime", "0.1.0")
        with (
            closing(open_records(records, header)) as writer,
            closing(VideoWriter(output, info, audio=AudioSpan(audio or source_path))) as video,
        ):
            for pending in source.frames():
                frame = pending.to_frame("talk", 0)
                result = FrameResult(frame, (face or make_face(),) if frame.index % 3 else ())
                strip = StripInfo("talk", frame.time_s, 25.0, 20.0, 0)
                overlay.draw(frame.image, result.faces, strip)
                draw(frame.index, frame.image)
                writer.write(result)
                if keep(frame.index):
                    shift = round(late_s / frame.time_base) if frame.index >= 20 else 0
                    video.write(replace(frame, pts=frame.pts + shift), frame.image)
    return output, records
