"""`streamfer find` on latents that are made so that the answers are known."""

from __future__ import annotations

import itertools
import json
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamfer.app.cli.main import main
from streamfer.labels import LABELS
from streamfer.media.records.latents import LatentWriter
from streamfer.models.directions import Directions, save_directions
from tests.support.clips import ClipSpec, make_clip
from tests.support.timed_results import face, film

SHAPE = (2, 8)
"""Of the codes: the first seven numbers are how much of each expression there is; the rest is the
person."""


def code(person: float, **expressions: float) -> np.ndarray:
    made = np.zeros(16, np.float32)
    made[7:] = person
    for name, strength in expressions.items():
        made[LABELS.index(name)] = strength
    return made.reshape(SHAPE)


@pytest.fixture
def latents(tmp_path: Path) -> Path:
    """Anna (1) smiles more and more for 4 s, then is sad; Bob (2) smiles a little."""
    path = tmp_path / "talk.parquet"
    with closing(LatentWriter(path)) as writer:
        for result in film((8.0, [face(1), face(2)])):
            time_s = result.frame.time_s
            anna = code(0.0, happy=time_s) if time_s < 4 else code(0.0, sad=2.0)
            codes = (anna, code(5.0, happy=1.0))
            faces = tuple(
                replace(each, latent=latent, latent_kind="encoder")
                for each, latent in zip(result.faces, codes, strict=True)
            )
            writer.write(replace(result, faces=faces))
    return path


@pytest.fixture
def directions(tmp_path: Path) -> Path:
    vectors = np.zeros((len(LABELS), 16), np.float32)
    vectors[:, : len(LABELS)] = np.eye(len(LABELS))
    path = tmp_path / "directions.safetensors"
    save_directions(Directions(LABELS, vectors.reshape(-1, *SHAPE), vectors), path, {})
    return path


def found(latents: Path, *arguments: str) -> list[dict[str, Any]]:
    answer = latents.with_name("found.json")
    assert main(["find", str(latents), *arguments, "--json", str(answer)]) == 0
    return list(json.loads(answer.read_text())["moments"])


def places(moments: list[dict[str, Any]]) -> list[tuple[int, float]]:
    return [(moment["track"], moment["time_s"]) for moment in moments]


def test_expressions_are_compared_whoever_shows_them(latents: Path, directions: Path) -> None:
    moments = found(latents, "--like", "2@5", "--directions", str(directions), "--count", "3")
    assert places(moments)[:2] == [(1, 1.0), (2, 0.0)]
    assert moments[0]["distance"] == 0


def test_whole_codes_are_compared_with_the_person_in_them(latents: Path) -> None:
    moments = found(latents, "--like", "talk:2@5.02", "--by", "whole", "--count", "8")
    assert {track for track, _ in places(moments)} == {2}
    times = sorted(time_s for _, time_s in places(moments))
    assert min(b - a for a, b in itertools.pairwise(times)) >= 1.0


def test_the_most_of_an_expression(
    latents: Path, directions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--emotion", "happy", "--directions", str(directions), "--count", "2"]
    moments = found(latents, *arguments)
    assert places(moments) == [(1, 3.9), (1, 2.9)]
    assert moments[0]["strength"] == pytest.approx(3.9, abs=0.01)
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "  1. talk, track 1, 0:03.90 (frame 39): strength 3.90"
    assert "biometric data" in said.err
    assert places(found(latents, *arguments, "--apart", "0")) == [(1, 3.9), (1, 3.8)]
    like = found(latents, *arguments, "--like", "1@2.5")
    assert places(like)[0] == (1, 2.5)


def test_a_video_gives_a_picture_of_each_moment(latents: Path, directions: Path) -> None:
    folder = latents.parent
    pictures = [np.full((64, 640, 3), 3 * number, np.uint8) for number in range(80)]
    spec = ClipSpec(frames=80, size=(640, 64), fps=Fraction(10))
    video = make_clip(folder / "talk.mp4", spec, pictures)
    arguments = ["--emotion", "happy", "--directions", str(directions), "--count", "2"]
    moments = found(latents, *arguments, "--video", str(video), "--out", str(folder / "found"))
    shown = cv2.imread(moments[0]["picture"])
    assert shown is not None
    assert shown.shape == (48, 480, 3)
    assert abs(int(shown.mean()) - 3 * 39) < 4
    assert len(list((folder / "found").iterdir())) == 2


@pytest.mark.parametrize(
    ("owner", "fps", "message"),
    [
        ("other=", 10, "--video other=…: no such stream; known: talk"),
        ("", 7, "not the video of talk: none of its frames stands at"),
    ],
)
def test_another_video_is_refused(
    latents: Path,
    directions: Path,
    capsys: pytest.CaptureFixture[str],
    owner: str,
    fps: int,
    message: str,
) -> None:
    pictures = [np.zeros((64, 64, 3), np.uint8)] * 80
    spec = ClipSpec(frames=80, size=(64, 64), fps=Fraction(fps))
    video = make_clip(latents.parent / "talk.mp4", spec, pictures)
    arguments = ["--emotion", "happy", "--directions", str(directions)]
    out = latents.parent / "found"
    given = ["--video", f"{owner}{video}", "--out", str(out)]
    assert main(["find", str(latents), *arguments, *given]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "name --like, --emotion, or both"),
        (["--emotion", "glad"], 2, "--emotion: expected one of angry"),
        (["--emotion", "sad", "--by", "whole"], 2, "leave one of them out"),
        (["--like", "none.jpg", "--by", "whole"], 2, "is no picture, and no TRACK@TIME"),
        (["--like", "3@1", "--by", "whole"], 3, "has no such face at that time"),
        (["--like", "1@99", "--by", "whole"], 3, "has no such face at that time"),
        (["--like", "1@1"], 2, "the directions are for codes of 10 × 128, the latents are 2 × 8"),
        (["--emotion", "sad", "--video", "none.mp4"], 2, "--video none.mp4: there is no such file"),
        (["--like", "1@1", "--by", "whole", "--json", "talk.parquet"], 2, "is the input"),
        (["--like", "talk.parquet", "--by", "whole"], 3, "talk.parquet"),
    ],
)
def test_a_mistake_is_one_line(
    latents: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(latents.parent)
    assert main(["find", "talk.parquet", *arguments]) == code
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error
    assert pq.read_table(latents).num_rows == 160


def test_of_several_streams_the_track_needs_one(
    latents: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pq.read_table(latents)
    other = table.set_column(0, "stream", pa.array(["other"] * table.num_rows))
    pq.write_table(pa.concat_tables([table, other]), latents)
    assert main(["find", str(latents), "--like", "1@1", "--by", "whole"]) == 2
    assert "of other, talk each; write STREAM:TRACK@TIME" in capsys.readouterr().err
    moments = found(latents, "--like", "other:1@1", "--by", "whole", "--count", "1")
    assert moments[0]["stream"] in ("talk", "other")


@pytest.mark.parametrize("damage", ["no parquet", "another table", "short codes", "journal"])
def test_what_holds_no_latents_is_one_line(
    latents: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    table = pq.read_table(latents)
    if damage == "no parquet":
        latents.write_text("hello")
    elif damage == "another table":
        pq.write_table(pa.table({"a": [1]}), latents)
    elif damage == "short codes":
        short = pa.array([[0.0]] * table.num_rows, pa.list_(pa.float32()))
        pq.write_table(table.set_column(4, "latent", short), latents)
    else:
        latents.with_name(f"{latents.name}.journal.arrows").write_bytes(b"")
    assert main(["find", str(latents), "--like", "1@1", "--by", "whole"]) == 3
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"error: {latents}: ")
    assert ("streamfer complete" in error) == (damage == "journal")


def test_a_picture_s_largest_face_is_sought(tmp_path: Path) -> None:
    """With the shipped networks, on the very face that was recorded."""
    from skimage.data import astronaut

    import streamfer

    picture = tmp_path / "face.png"
    cv2.imwrite(str(picture), cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR))
    path = tmp_path / "l.parquet"
    with streamfer.Session(refine=False) as session:
        session.run(picture, latents=path)
    (moment,) = found(path, "--like", str(picture))
    assert moment["distance"] == pytest.approx(0, abs=0.05)
    (moment,) = found(path, "--like", str(picture), "--by", "whole")
    assert moment["distance"] == pytest.approx(0, abs=0.01)
