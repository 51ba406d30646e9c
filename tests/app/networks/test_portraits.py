"""Runs and inversions with an encoder of portraits, from a small checkpoint of random weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

import streamfer as package
from streamfer.app.cli import invert as inversion
from streamfer.app.cli.invert_options import InvertConfig
from streamfer.app.config import RunConfig
from streamfer.app.networks.models import Models, open_models
from streamfer.app.networks.portraits import PortraitFiles, find_portrait, keep_portrait_generator
from streamfer.app.networks.published import PUBLISHED
from streamfer.app.session.build import collector_config
from streamfer.errors import EngineError
from streamfer.models.shipped import SHIPPED
from streamfer.runtime.store.store import EngineStore
from tests.support.program import streamfer
from tests.support.published import small_inversion_tensors
from tests.support.refinement import EAGER_WORKER, PatientRefiner
from tests.support.shared import shared_file

NAME = "e4e-ffhq"

FRAMES = collector_config("cpu").max_batch + 1
"""So many are never one batch, in which nothing could have been refined yet."""


def save_checkpoint(
    folder: Path, channels: tuple[int, ...] = (8, 8, 8), scale: float = 0.0
) -> Path:
    """A published file with a decoder of these channels."""
    num_ws = 2 * len(channels)
    content = {
        "state_dict": small_inversion_tensors(num_ws, channels),
        "latent_avg": torch.full((num_ws, 128), scale),
        "opts": {"encoder_type": "Encoder4Editing", "start_from_latent_avg": True},
    }
    path = folder / PUBLISHED[NAME].file_name
    torch.save(content, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A weights folder with a checkpoint in it."""
    folder = tmp_path_factory.mktemp("weights")
    save_checkpoint(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamfer.app.networks.published.weights_folder", lambda: folder)
        yield folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EngineStore:
    return EngineStore(tmp_path_factory.mktemp("engines"))


@pytest.fixture
def models(folder: Path, store: EngineStore) -> Iterator[Models]:
    config = RunConfig(face_model=NAME, device="cpu", backend="onnxruntime")
    with closing(open_models(config, store, lambda *_: None)) as models:
        yield models


def test_the_networks_of_a_run(models: Models, folder: Path) -> None:
    assert models.face.name == NAME
    assert models.face.inputs[0].shape == (None, 256, 256, 3)
    generator = folder / "e4e_ffhq_encode.generator.safetensors"
    assert models.refinement is not None
    assert (models.refinement.generator, models.refinement.classifier) == (
        generator,
        SHIPPED.classifier,
    )
    assert models.trust is None
    models.warm_up([(64, 64)])


def test_faces_of_a_run_are_encoded_and_refined(
    folder: Path, store: EngineStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamfer.app.networks.refiner.Refiner", PatientRefiner)
    monkeypatch.setattr("streamfer.app.networks.refiner._WORKER", EAGER_WORKER)
    monkeypatch.setattr(
        "streamfer.app.session.networks.open_models",
        lambda config, _, progress, **how: open_models(config, store, progress, **how),
    )
    latents = tmp_path / "latents.parquet"
    results = list(
        package.analyze(
            "demo:",
            max_frames=FRAMES,
            face_model=NAME,
            device="cpu",
            backend="onnxruntime",
            refine_steps=2,
            latents=latents,
            output=tmp_path / "out.mp4",
        )
    )
    (face,) = results[-1].faces
    assert face.latent_kind == "refined"
    assert face.latent is not None
    assert face.latent.shape == (6, 128)
    assert face.reconstruction is not None
    assert face.reconstruction.shape == (256, 256, 3)
    assert pq.read_schema(latents).metadata[b"num_ws"] == b"6"
    # The expression is read by our own network, from its part of the portrait.
    assert results[0].faces[0].emotion == "happy"


def test_photographs_are_inverted_at_the_generators_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photograph = shared_file("media/multi_face.jpg")
    save_checkpoint(tmp_path, channels=(8, 8, 8, 4, 4, 4, 4, 4))
    monkeypatch.setattr("streamfer.app.networks.published.weights_folder", lambda: tmp_path)
    config = InvertConfig(
        images=(str(photograph),), out=tmp_path, steps=1, device="cpu", face_model=NAME
    )
    assert inversion.invert(config, Console(quiet=True)) == 0
    names = [face["name"] for face in json.loads((tmp_path / "faces.json").read_text())["faces"]]
    assert len(names) == 5
    for kind, side in (("input", 256), ("encoder", 512), ("refined", 512)):
        picture = cv2.imread(str(tmp_path / f"{names[0]}.{kind}.png"), cv2.IMREAD_UNCHANGED)
        assert picture is not None
        assert picture.shape == (side, side, 3)
    with np.load(tmp_path / f"{names[0]}.npz") as latents:
        assert latents["latent_refined"].shape == (16, 128)
    assert (tmp_path / "contact_sheet.png").exists()


def test_what_was_not_pulled_is_one_line_that_says_how(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamfer.app.networks.published.weights_folder", lambda: tmp_path)
    for command in (["run", "demo:"], ["invert", "x.png", "--out", tmp_path]):
        ended = streamfer(capfd, *command, "--face-model", "psp-ffhq")
        assert ended.code == 5
        assert "streamfer weights pull psp-ffhq --from FILE" in ended.complaint


def test_other_networks_cannot_be_put_beside_a_published_encoder(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ended = streamfer(
        capfd, "invert", "x.png", "--out", tmp_path, "--face-model", NAME, "--encoder", "e.st"
    )
    assert ended.code == 2
    assert "e4e-ffhq has its own generator and encoder" in ended.complaint


def test_a_generator_is_taken_out_once_and_again_when_the_checkpoint_changed(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    for scale, count in ((1.0, 2), (1.0, 2), (2.0, 4)):
        files = PortraitFiles(NAME, save_checkpoint(tmp_path, scale=scale), SHIPPED.classifier)
        keep_portrait_generator(files, lambda text, _: said.append(text))
        assert len(said) == count
    files.generator.write_bytes(b"damaged")
    keep_portrait_generator(files, lambda text, _: said.append(text))
    assert len(said) == 6
    assert files.generator.stat().st_size > 1000


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    files = PortraitFiles(NAME, save_checkpoint(tmp_path), SHIPPED.classifier)
    files.generator.mkdir()
    with pytest.raises(EngineError, match="cannot write the generator"):
        keep_portrait_generator(files, lambda *_: None)
    assert sorted(tmp_path.iterdir()) == [files.generator, files.checkpoint]


def test_files_are_found_under_their_names(folder: Path) -> None:
    files = find_portrait(NAME, SHIPPED.classifier)
    assert files.checkpoint == folder / "e4e_ffhq_encode.pt"
    assert files.kind == "e4e"
