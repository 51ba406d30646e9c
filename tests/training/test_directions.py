"""`train directions` from a few faces to a file that edits."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from streamfer.app.cli.main import main
from streamfer.errors import ConfigError
from streamfer.labels import LABELS
from streamfer.models.directions import load_directions
from streamfer.models.shipped import WeightFiles
from streamfer.models.storage import load_encoder, save_encoder, save_generator
from streamfer.models.stylegan2 import Generator, GeneratorConfig
from streamfer.training.directions import FILE_NAME, encode_sets, parse_layers
from streamfer.training.faces.landmarks import LandmarkCache, picture_key
from streamfer.training.faces.sources import read_faces
from streamfer.training.latent.direction_descent import DrawnDirections
from streamfer.training.runs.command import pick_device
from tests.support.latent import save_latent_networks


def write_persons(path: Path, **changes: list[object]) -> Path:
    """28 noise faces of four persons, each with all expressions."""
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (28, 64, 64), dtype=np.uint8)
    columns: dict[str, list[object]] = {
        "image": [cv2.imencode(".png", picture)[1].tobytes() for picture in pictures],
        "label": [number % 7 for number in range(28)],
        "person": [number // 7 for number in range(28)],
    }
    pq.write_table(pa.table(columns | changes), path)
    return path


def cache_without_faces(folder: Path, data: Path) -> Path:
    """A landmark cache that knows every picture, so that no detector is needed."""
    faces = read_faces(data, "train")
    cache = LandmarkCache({picture_key(picture): None for picture in faces.pictures})
    cache.save(folder / "landmarks.npz")
    return folder / "landmarks.npz"


def lively_encoder(folder: Path) -> Path:
    """An encoder whose codes depend on the face; a new one gives the average to all."""
    path = save_latent_networks(folder)["encoder"]
    encoder = load_encoder(path)
    torch.manual_seed(1)
    for layer in (encoder.common, encoder.deltas):
        torch.nn.init.normal_(layer.weight)
    save_encoder(encoder, path, {})
    return path


@pytest.mark.parametrize("method", ["matched", "ica", "means"])
def test_directions_are_written_with_their_card(tmp_path: Path, method: str) -> None:
    data = write_persons(tmp_path / "persons.parquet")
    encoder = lively_encoder(tmp_path)
    arguments = ["train", "directions", "--data", str(data), "--out", str(tmp_path / "out")]
    arguments += ["--landmarks", str(cache_without_faces(tmp_path, data)), "--device", "cpu"]
    arguments += ["--encoder", str(encoder), "--method", method, "--layers", "0-3", "--seeds", "2"]
    assert main(arguments) == 0
    directions = load_directions(tmp_path / "out" / FILE_NAME)
    assert directions.names == (*LABELS, "yaw", "pitch")
    assert directions.code_shape == (10, 8)
    assert not directions.vectors[:, 4:].any()
    card = (tmp_path / "out" / FILE_NAME).with_suffix(".md").read_text()
    assert f"Method `{method}`, layers 0-3" in card
    assert "28 faces of 1 data sets, 4 persons" in card


def test_directions_are_learned_from_drawings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = partial(DrawnDirections, batch_size=4)
    monkeypatch.setattr("streamfer.training.directions.DrawnDirections", short)
    data = write_persons(tmp_path / "persons.parquet")
    lively_encoder(tmp_path)
    files = WeightFiles(tmp_path)
    arguments = ["train", "directions", "--data", str(data), "--device", "cpu", "--seeds", "2"]
    arguments += ["--landmarks", str(cache_without_faces(tmp_path, data)), "--method", "drawn"]
    arguments += [
        "--steps",
        "2",
        "--encoder",
        str(files.encoder),
        "--classifier",
        str(files.classifier),
    ]
    fitting = [*arguments, "--generator", str(files.generator), "--out", str(tmp_path / "out")]
    assert main([*fitting, "--layers", "0-3"]) == 2
    assert "--layers" in capsys.readouterr().err
    assert main(fitting) == 0
    directions = load_directions(tmp_path / "out" / FILE_NAME)
    assert directions.code_shape == (10, 8)
    assert "Method `drawn`" in (tmp_path / "out" / FILE_NAME).with_suffix(".md").read_text()
    some = [*fitting, "--expressions", "sad", "neutral"]
    assert main(some) == 0
    changed = (load_directions(tmp_path / "out" / FILE_NAME).vectors != directions.vectors).any(
        (1, 2)
    )
    assert [n for n, c in zip(directions.names, changed, strict=True) if c] == [
        name for name in LABELS if name not in ("sad", "neutral")
    ]
    card = (tmp_path / "out" / FILE_NAME).with_suffix(".md").read_text()
    assert "Method `drawn` for sad, neutral and `matched` for the others" in card
    larger = tmp_path / "larger.safetensors"
    save_generator(Generator(GeneratorConfig()), larger, {})
    assert main([*arguments, "--generator", str(larger), "--out", str(tmp_path / "out")]) == 2
    assert "does not draw codes of" in capsys.readouterr().err


def test_persons_of_different_sets_are_different_persons(tmp_path: Path) -> None:
    data = write_persons(tmp_path / "persons.parquet")
    encoder = save_latent_networks(tmp_path)["encoder"]
    cache = cache_without_faces(tmp_path, data)
    coded = encode_sets([data, data], cache, encoder, pick_device("cpu"), most=14)
    assert coded.groups.tolist() == [0] * 7 + [1] * 7 + [2] * 7 + [3] * 7


@pytest.mark.parametrize("text", ["", "3", "6-2", "a-b"])
def test_layers_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--layers"):
        parse_layers(text)


@pytest.mark.parametrize(("option", "value"), [("--steps", "0"), ("--seeds", "1")])
def test_numbers_that_cannot_be_are_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    arguments = ["train", "directions", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main([*arguments, option, value]) == 2
    assert f"error: {option} {value}: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    assert main(["train", "directions", "--data", str(tmp_path), "--out", str(out)]) == 4
    assert f"{out}: cannot make the folder" in capsys.readouterr().err


def test_rows_that_are_no_label_are_named(tmp_path: Path) -> None:
    labels: list[object] = [0] * 27 + [9]
    path = write_persons(tmp_path / "persons.parquet", label=labels)
    faces = read_faces(path, "train")
    assert len(faces) == 27
    assert faces.summary.lines()[-1] == "passed over 1: label 9 is not between 0 and 6 (row 27)"
