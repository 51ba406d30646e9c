"""The trainings' command lines, on a handful of faces."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.storage import load_encoder, load_generator, save_encoder, save_generator
from streamfer.models.stylegan2 import Generator, GeneratorConfig
from streamfer.models.vgg import FaceVGG, FaceVGGConfig, save_face_vgg
from streamfer.training import autoencoder, encoder, generator
from streamfer.training.faces.landmarks import LandmarkCache, picture_key


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with eight gray pictures and the knowledge that they hold no face."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (8, 48, 48), dtype=np.uint8)
    rows = [cv2.imencode(".png", picture)[1].tobytes() for picture in pictures]
    table = {
        "image": rows,
        "fer2013_label": pa.array([i % 7 for i in range(8)], pa.int8()),
        "ferplus_votes": pa.array([[0, 10, *[0] * 8]] * 8, pa.list_(pa.int8(), 10)),
        "name": [f"face{i}" for i in range(8)],
    }
    pq.write_table(pa.table(table), tmp_path / "train-0.parquet")
    cache = LandmarkCache({picture_key(picture): None for picture in pictures})
    cache.save(tmp_path / "landmarks.npz")
    return tmp_path


def arguments(data: Path, out: Path, *more: str) -> list[str]:
    shared = ["--device=cpu", "--no-bf16", "--images=4", "--tick-images=4", "--batch-size=4"]
    paths = [f"--data={data}", f"--landmarks={data / 'landmarks.npz'}", f"--out={out}"]
    return [*shared, *paths, *more]


def test_generator_then_encoder(data: Path, tmp_path: Path) -> None:
    assert generator.main(arguments(data, tmp_path / "g", "--seed=3")) == 0
    drawn = load_generator(tmp_path / "g" / "generator.safetensors")
    assert drawn.config.resolution == 64
    config = json.loads((tmp_path / "g" / "config.json").read_text())
    assert (config["seed"], config["images"], config["bf16"]) == (3, 4, False)
    save_face_vgg(FaceVGG(FaceVGGConfig(width=0.05)), tmp_path / "vgg.safetensors")
    files = [
        f"--generator={tmp_path / 'g' / 'generator.safetensors'}",
        f"--classifier={tmp_path / 'vgg.safetensors'}",
    ]
    assert encoder.main(arguments(data, tmp_path / "e", *files)) == 0
    assert load_encoder(tmp_path / "e" / "encoder.safetensors").config.num_ws == 10


def test_generator_and_encoder_go_on_together(data: Path, tmp_path: Path) -> None:
    assert generator.main(arguments(data, tmp_path / "g")) == 0
    save_face_vgg(FaceVGG(FaceVGGConfig(width=0.05)), tmp_path / "vgg.safetensors")
    save_encoder(Encoder(EncoderConfig()), tmp_path / "encoder.safetensors", {})
    files = [
        f"--classifier={tmp_path / 'vgg.safetensors'}",
        f"--game={tmp_path / 'g'}",
        f"--encoder={tmp_path / 'encoder.safetensors'}",
    ]
    assert autoencoder.main(arguments(data, tmp_path / "j", *files)) == 0
    assert load_encoder(tmp_path / "j" / "encoder.safetensors").config == EncoderConfig()


@pytest.mark.parametrize(
    ("main", "more", "code", "message"),
    [
        (generator.main, ["--data=/nowhere"], 2, "/nowhere: no such file"),
        (generator.main, ["--device=cuda:99"], 2, "device cuda:99 cannot be used"),
        (generator.main, ["--cuda-graphs"], 2, "--cuda-graphs needs a CUDA device, not cpu"),
        (encoder.main, ["--generator=/g", "--classifier=/c"], 5, "g: cannot read the weights"),
    ],
)
def test_errors_are_one_line_with_their_exit_code(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    main: Callable[[Sequence[str]], int],
    more: list[str],
    code: int,
    message: str,
) -> None:
    assert main([*arguments(data, tmp_path / "out"), *more]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


def _other_networks(folder: Path) -> dict[str, Path]:
    folder.mkdir()
    torch.manual_seed(len(folder.name))
    paths = {
        name: folder / f"{name}.safetensors" for name in ("classifier", "generator", "initial")
    }
    save_face_vgg(FaceVGG(FaceVGGConfig(width=0.05)), paths["classifier"])
    save_generator(Generator(GeneratorConfig()), paths["generator"], {})
    save_encoder(Encoder(EncoderConfig()), paths["initial"], {})
    return paths


def test_a_run_goes_on_with_the_networks_that_it_began_with_alone(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, others = _other_networks(tmp_path / "mine"), _other_networks(tmp_path / "others")
    given = arguments(data, tmp_path / "e", *(f"--{name}={path}" for name, path in mine.items()))
    assert encoder.main(given) == 0
    saved = tmp_path / "e" / "config.json"
    whole = json.loads(saved.read_text())
    for name, path in others.items():
        assert encoder.main([*given, "--resume", f"--{name}={path}"]) == 2
        told = capsys.readouterr().err.splitlines()[-1]
        assert f"cannot resume: {name}_sha256 was " in told
        assert told.endswith("; give the same, or another --out")
    # As an earlier version left it.
    later = ("codes_sha256", *(f"{name}_sha256" for name in mine))
    earlier = {key: value for key, value in whole.items() if key not in later}
    saved.write_text(json.dumps(earlier))
    assert encoder.main([*given, "--resume"]) == 0
    assert json.loads(saved.read_text()) == whole


def test_an_encoder_is_enlarged_before_it_goes_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    networks = _other_networks(tmp_path / "given")
    save_encoder(Encoder(EncoderConfig(blocks=(1, 1, 1, 1))), networks["initial"], {})
    given = arguments(data, tmp_path / "e", f"--generator={networks['generator']}", "--grow")
    assert encoder.main(given) == 2
    assert "--initial FILE" in capsys.readouterr().err.splitlines()[-1]
    assert encoder.main([*given, f"--initial={networks['initial']}"]) == 0
    assert load_encoder(tmp_path / "e" / "encoder.safetensors").config == EncoderConfig()


@pytest.mark.parametrize("main", [generator.main, autoencoder.main])
def test_the_lens_is_one_that_a_run_goes_on_with(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    main: Callable[[Sequence[str]], int],
) -> None:
    mine, others = _other_networks(tmp_path / "mine"), _other_networks(tmp_path / "others")
    given = arguments(data, tmp_path / "out", "--projected")
    assert main([*given, f"--classifier={mine['classifier']}"]) == 0
    assert main([*given, "--resume", f"--classifier={others['classifier']}"]) == 2
    assert "cannot resume: classifier_sha256 was " in capsys.readouterr().err.splitlines()[-1]
    assert main([*given, "--resume", f"--classifier={mine['classifier']}"]) == 0
