from __future__ import annotations

import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfer.errors import SourceError
from streamfer.media.verify.outputs import verify_outputs
from streamfer.types import UInt8Array
from tests.support.analysed import make_face
from tests.support.clips import ClipSpec, make_clip
from tests.support.shared import shared_file
from tests.support.verified import COUNT, moving_pictures, run_on
from tests.support.written import copy_stream

Lines = list[dict[str, Any]]


def damaged_records(
    healthy: tuple[Path, Path], folder: Path, change: Callable[[Lines], object]
) -> Path:
    lines = [json.loads(line) for line in healthy[1].read_text().splitlines()]
    change(lines)
    records = folder / "out.jsonl"
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return records


@pytest.mark.parametrize("records_suffix", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_a_run_writes_agrees(
    clip: Path, tmp_path: Path, suffix: str, records_suffix: str
) -> None:
    output, records = run_on(clip, tmp_path, suffix, records_suffix)
    assert verify_outputs(clip, output, records) == []
    assert verify_outputs(clip, output, None) == []
    assert verify_outputs(clip, None, records) == []


@pytest.mark.parametrize(
    "spec",
    [
        ClipSpec(frames=20, size=(97, 65), pix_fmt="yuv444p", audio="aac"),
        ClipSpec(frames=20, rotation=90),
        ClipSpec(frames=12, pts=[0, 1, 5, 6, 7, 30, 31, 33, 34, 80, 81, 99], audio="libmp3lame"),
        ClipSpec(frames=20, codec="mpeg4"),
    ],
    ids=["odd", "rotated", "variable-rate", "mpeg4"],
)
@pytest.mark.parametrize("container", [".mp4", ".ts", ".mkv"])
def test_unusual_inputs_agree_too(tmp_path: Path, spec: ClipSpec, container: str) -> None:
    source = make_clip(tmp_path / f"in{container}", spec)
    output, records = run_on(source, tmp_path)
    assert verify_outputs(source, output, records) == []


def test_the_real_clip_agrees(tmp_path: Path) -> None:
    source = shared_file("media/single_face.mp4")
    output, records = run_on(source, tmp_path)
    assert verify_outputs(source, output, records) == []


def test_pictures_beside_refined_faces_agree(clip: Path, tmp_path: Path) -> None:
    drawn = np.full((64, 64), 255, np.uint8)
    refined = make_face(latent_kind="refined", reconstruction=drawn, reconstruction_error=0.01)
    written = run_on(clip, tmp_path, face=refined)
    assert verify_outputs(clip, *written) == []
    (tmp_path / "other").mkdir()
    records = damaged_records(written, tmp_path / "other", set_face(reconstruction_error=None))
    assert "away from faces" in verify_outputs(clip, written[0], records)[0]


def test_where_faces_are_covered_pictures_are_not_compared(clip: Path, tmp_path: Path) -> None:
    def cover(index: int, image: UInt8Array) -> None:
        image[:] = 0

    output, records = run_on(clip, tmp_path, draw=cover)
    assert verify_outputs(clip, output, records) != []
    lines = records.read_text().splitlines()
    header = {**json.loads(lines[0]), "faces": "blurred"}
    records.write_text("\n".join([json.dumps(header), *lines[1:]]) + "\n")
    assert verify_outputs(clip, output, records) == []


def watermark(index: int, image: UInt8Array) -> None:
    if index == 7:
        image[60:120, 200:300] = 255


def gone_dark(index: int, image: UInt8Array) -> None:
    if index == 11:
        image[:] = image // 3


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ({"keep": lambda i: i != 12}, f"{COUNT - 1} frames, not {COUNT}"),
        ({"keep": lambda i: i < 30}, f"30 frames, not {COUNT}"),
        ({"late_s": Fraction(1, 100)}, "frame 20 is at 0.810000 s, not 0.800000 s"),
        ({"draw": watermark}, "frame 7 differs from the input in"),
        ({"draw": gone_dark}, "frame 11 differs from the input in"),
    ],
    ids=["frame left out", "end missing", "times moved", "something drawn", "other brightness"],
)
def test_damage_to_the_video_is_found(
    clip: Path, tmp_path: Path, damage: dict[str, Any], found: str
) -> None:
    output, records = run_on(clip, tmp_path, **damage)
    assert any(found in line for line in verify_outputs(clip, output, records))


def test_swapped_pictures_are_found(clip: Path, tmp_path: Path) -> None:
    pictures = moving_pictures()

    def swap(index: int, image: UInt8Array) -> None:
        if index in (10, 25):
            image[:] = pictures[35 - index]

    output, records = run_on(clip, tmp_path, draw=swap)
    differences = verify_outputs(clip, output, records)
    assert len(differences) == 1
    assert "frame 10 differs from the input in" in differences[0]


def set_face(**fields: Any) -> Callable[[Lines], object]:
    def change(lines: Lines) -> None:
        lines[2]["faces"][0].update(fields)

    return change


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda lines: lines.pop(9), "record 8 is of frame 9, not 8"),
        (lambda lines: lines.pop(), f"{COUNT - 1} records of {COUNT} frames"),
        (lambda lines: lines.insert(9, lines[9]), "record 9 is of frame 8, not 9"),
        (lambda lines: lines.insert(5, lines.pop(9)), "record 4 is of frame 8, not 4"),
        (lambda lines: lines[6].update(time_s=0.21), "frame 5 is at 0.21 s, not 0.200000 s"),
        (lambda lines: lines[6].update(time_s=None), "frame 5 is at None s"),
        (lambda lines: lines[0].update(schema="x"), "the schema is x"),
        (lambda lines: lines[0]["labels"].reverse(), "the labels are not angry"),
        (lambda lines: lines[0]["streams"][0].update(width=1), "talk has 1×192 pixels"),
        (lambda lines: lines[3].pop("dropped"), "frame 2 lacks dropped"),
        (lambda lines: lines[3].update(faces=None), "frame 2 has no list of faces"),
        (lambda lines: lines[2]["faces"].append(lines[2]["faces"][0]), "has a track twice: [1, 1]"),
        (set_face(probs=[0.5] * 7), "probs is [0.5"),
        (set_face(probs=[0.5, 0.5]), "probs is [0.5, 0.5], not seven"),
        (set_face(smoothed=[float("nan")] * 7), "smoothed is [nan"),
        (set_face(emotion="sad"), "emotion is sad, which is not the likeliest"),
        (set_face(emotion="bored"), "emotion is bored, not a label"),
        (set_face(box=[400, 10, 440, 30]), "box [400, 10, 440, 30] is not in the picture"),
        (set_face(box=[30, 10, 10, 30]), "is not in the picture"),
        (set_face(score=1.5), "score is 1.5, not from 0 to 1"),
        (set_face(landmarks=[[1, 2]] * 4), "landmarks is"),
        (set_face(track="a"), "track is a, not a number from 1"),
        (set_face(latent="x"), "latent is x"),
        (set_face(trust=2), "trust is 2"),
        (lambda lines: lines[2]["faces"][0].pop("box"), "box is missing"),
    ],
)
def test_damage_to_the_records_is_found(
    clip: Path,
    healthy: tuple[Path, Path],
    tmp_path: Path,
    change: Callable[[Lines], object],
    found: str,
) -> None:
    records = damaged_records(healthy, tmp_path, change)
    assert any(found in line for line in verify_outputs(clip, None, records))


def test_records_of_another_file_are_found(
    clip: Path, healthy: tuple[Path, Path], tmp_path: Path
) -> None:
    def change(lines: Lines) -> None:
        lines[0]["streams"] = [dict(lines[0]["streams"][0], source=f"{i}.mp4") for i in range(2)]

    records = damaged_records(healthy, tmp_path, change)
    assert verify_outputs(clip, None, records) == [
        f"{records}: no stream of theirs comes from {clip}"
    ]


@pytest.mark.parametrize("content", [b"", b"no video at all", None])
def test_outputs_that_cannot_be_read_are_differences(
    clip: Path, tmp_path: Path, content: bytes | None
) -> None:
    output, records = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    if content is not None:
        output.write_bytes(content)
        records.write_bytes(content)
    differences = verify_outputs(clip, output, records)
    assert len(differences) == 2
    assert str(records) in differences[0]
    assert str(output) in differences[1]


def test_an_input_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        verify_outputs(tmp_path / "gone.mp4", None, None)


def test_a_cut_input_agrees_with_what_was_made_of_it(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "whole.mkv", ClipSpec(frames=100, audio="aac"))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    output, records = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    with pytest.raises(SourceError):
        run_on(cut, tmp_path)
    assert verify_outputs(cut, output, records) == []


def test_files_from_before_are_no_part_of_a_video_that_stepped_over_them(tmp_path: Path) -> None:
    parts = [
        make_clip(tmp_path / f"{i}.ts", ClipSpec(frames=8, size=size)).read_bytes()
        for i, size in enumerate([(96, 64), (64, 96)])
    ]
    source = tmp_path / "resized.ts"
    source.write_bytes(b"".join(parts))
    stranger = make_clip(tmp_path / "out.1.mp4", ClipSpec(frames=8, size=(64, 96)))
    os.utime(stranger, (0, 0))
    writer = copy_stream(source, tmp_path / "out.mp4")
    assert writer.paths[1].name == "out.2.mp4"
    assert verify_outputs(source, writer.paths[0], None) == []
    stranger.unlink()
    assert verify_outputs(source, writer.paths[0], None) == []
    writer.paths[1].unlink()
    assert verify_outputs(source, writer.paths[0], None) != []
