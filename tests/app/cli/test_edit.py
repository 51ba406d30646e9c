"""`streamfer edit` on pictures and its options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
from rich.console import Console

from streamfer.app.cli.edit import _FaceEditor, edit
from streamfer.app.cli.edit_options import EditConfig, read_strengths
from streamfer.app.cli.main import main
from streamfer.app.session.session import Session
from streamfer.errors import ConfigError
from streamfer.evaluation.attribute import learn_attribute, read_attribute
from streamfer.evaluation.editor import Editor
from streamfer.models.directions import save_directions
from streamfer.types import FloatArray, FrameResult, UInt8Array
from tests.support.analysed import make_frame
from tests.support.directions import random_directions
from tests.support.latent import save_latent_networks
from tests.support.results import face_result, probabilities
from tests.support.shared import shared_file


def edit_config(folder: Path, source: Path, **changes: object) -> EditConfig:
    save_directions(random_directions(10, 8), folder / "directions.safetensors", {})
    return EditConfig(
        source=str(source),
        out=folder / "out",
        steps=1,
        fit=0.5,
        device="cpu",
        directions=folder / "directions.safetensors",
        **save_latent_networks(folder),
        **changes,  # type: ignore[arg-type]
    )


def test_every_face_gets_pictures_and_rows(tmp_path: Path) -> None:
    picture = shared_file("media/single_face.jpg")
    config = edit_config(tmp_path, picture, emotion="happy", strengths="-1,1")
    assert edit(config, Console(quiet=True)) == 0
    rows = json.loads((config.out / "faces.json").read_text())["faces"]
    assert [row["strength"] for row in rows] == [-1, 1]
    for row in rows:
        assert {"name", "emotion", "strength", "before", "after"} < row.keys()
        assert row["emotion"] == "happy"
        assert len(row["probs_before"]) == len(row["probs_after"]) == 7
        for key in ("before", "after"):
            assert cv2.imread(str(config.out / row[key])) is not None
    assert (config.out / "contact_sheet.png").is_file()


def test_a_face_of_a_video_gives_up_what_its_track_is_read_as(tmp_path: Path) -> None:
    class Drawing:
        """Draws nothing, and keeps the codes that it was asked for."""

        def __init__(self) -> None:
            self.drawn: list[FloatArray] = []

        def encode(self, crops: UInt8Array) -> FloatArray:
            return np.zeros((len(crops), 10, 8), np.float32)

        def draw(self, codes: FloatArray) -> UInt8Array:
            self.drawn.append(codes)
            return np.zeros((len(codes), 64, 64), np.uint8)

    config = edit_config(tmp_path, tmp_path, emotion="sad", strength=1.0)
    editor = Drawing()
    maker = _FaceEditor(config, cast(Editor, editor), cast(Session, None), set())
    maker.frame(FrameResult(make_frame(0), (face_result(emotion="happy"),)))
    expected = random_directions(10, 8).towards("sad", probabilities("happy"))
    np.testing.assert_allclose(editor.drawn[1][0], expected, atol=0.01)


def test_pictures_without_faces_are_exit_3(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((300, 300, 3), 90, np.uint8))
    config = edit_config(tmp_path, tmp_path / "wall.png", emotion="sad")
    assert edit(config, Console(quiet=True)) == 3
    assert json.loads((config.out / "faces.json").read_text()) == {"faces": []}


def test_strengths_are_a_range_or_a_list() -> None:
    assert read_strengths(None, "-3:3:13", (1.0,))[:2] == (-3, -2.5)
    assert len(read_strengths(None, "-3:3:13", (1.0,))) == 13
    assert read_strengths(None, "1,2", (1.0,)) == (1, 2)
    assert read_strengths(1.5, None, (9.0,)) == (1.5,)
    assert read_strengths(None, None, (9.0,)) == (9,)


@pytest.mark.parametrize(
    "several", ["", "a", "1:2", "1:2:1", "1:2:999", "1,1", "nan", "1:inf:3", "1e9"]
)
def test_strengths_that_cannot_be_are_refused(several: str) -> None:
    with pytest.raises(ConfigError, match="trengths"):
        read_strengths(None, several, (1.0,))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "give one of"),
        (["--emotion", "happy", "--pose", "yaw=1"], "give one of"),
        (["--emotion", "bored"], "expected one of angry"),
        (["--pose", "roll=1"], "yaw=N or pitch=N"),
        (["--emotion", "sad", "--strength", "1", "--strengths", "1,2"], "not both"),
        (["--emotion", "sad", "--fit", "2"], "between 0 and 1"),
        (["--morph", "nobody.png"], "no such file"),
    ],
)
def test_wrong_options_are_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["edit", "x.png", "--out", str(tmp_path), *options]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_an_attribute_is_the_way_in_which_codes_change_with_it(tmp_path: Path) -> None:
    lines = [f"{number}.png,{number % 5}" for number in range(20)]
    (tmp_path / "age.csv").write_text("\n".join(["picture,value", *lines]))
    pairs = read_attribute(tmp_path / "age.csv")
    assert pairs[7] == (tmp_path / "7.png", 2)
    truth = np.random.default_rng(0).normal(size=(10, 8))
    values = dict(pairs)
    vector = learn_attribute(pairs, lambda path: (values[path] * truth).astype(np.float32))
    np.testing.assert_allclose(vector, truth * np.sqrt(2), rtol=1e-3)
    with pytest.raises(ConfigError, match="found in 0 of 20"):
        learn_attribute(pairs, lambda path: None)


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2", "picture,value\na.png,old", "picture,value\na.png,1\nb.png,1"]
)
def test_attributes_that_cannot_be_read_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ConfigError, match="--attribute"):
        read_attribute(tmp_path / "a.csv")
