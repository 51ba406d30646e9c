"""Latent codes and their refinement in whole runs, on small random networks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import streamfer as package
from streamfer.app.config import RunConfig
from streamfer.app.networks.models import Models, open_models
from streamfer.models.shipped import WeightFiles
from streamfer.runtime.model import Progress
from streamfer.runtime.store.store import EngineStore
from tests.support.latent import lay_structures, save_all_networks
from tests.support.program import frame_records, record_lines, streamfer
from tests.support.refinement import EAGER_WORKER, PatientRefiner


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, small_structures: Path) -> WeightFiles:
    files = save_all_networks(tmp_path_factory.mktemp("weights"))
    lay_structures(small_structures, files.folder)
    return files


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EngineStore:
    return EngineStore(tmp_path_factory.mktemp("engines"))


@pytest.fixture(autouse=True)
def small_networks(
    weights: WeightFiles, store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every session opens the small random networks; its child waits for no idle time."""
    monkeypatch.setattr("streamfer.app.networks.refiner._WORKER", EAGER_WORKER)
    monkeypatch.setattr(
        "streamfer.app.session.networks.open_models",
        lambda config, _, progress, **how: open_models(config, store, progress, weights, **how),
    )


def run(folder: Path, **options: Any) -> list[dict[str, Any]]:
    """Analyses the beginning of the demo; returns the records of its frames."""
    options = {"max_frames": 12, "refine_steps": 2, **options}
    with package.Session(
        device="cpu",
        refine=options.pop("refine", True),
        refine_every=options.pop("refine_every", 0.5),
        refine_steps=options.pop("refine_steps"),
    ) as session:
        session.run(
            "demo:",
            records=folder / "records.jsonl",
            latents=folder / "latents.parquet",
            **options,
        )
    return frame_records(folder / "records.jsonl")


def test_faces_are_refined_in_the_background_and_their_latents_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamfer.app.networks.refiner.Refiner", PatientRefiner)
    faces = [frame["faces"][0] for frame in run(tmp_path)]
    assert len(faces) == 12
    assert (faces[0]["latent"], faces[-1]["latent"]) == ("encoder", "refined")
    assert faces[0]["reconstruction_error"] is None  # nobody sees drawings: none is made
    assert faces[0]["refined_age_s"] is None
    errors = [face["reconstruction_error"] for face in faces]
    measured = [error for error in errors if error is not None]
    assert 0 < len(measured) < 12
    assert 0 < min(measured) <= max(measured) < 1
    assert 0 < faces[-1]["refined_age_s"] < 1
    table = pq.read_table(tmp_path / "latents.parquet")
    assert table["frame"].to_pylist() == list(range(12))
    latents = np.stack(table["latent"].to_numpy())
    assert latents.shape == (12, 80)
    assert np.abs(latents[-1] - latents[0]).max() > 0
    header = record_lines(tmp_path / "records.jsonl")[0]
    assert header["models"]["face"]["name"] == "fused_vgg19"


def test_without_refinement_every_latent_is_the_encoder_s(tmp_path: Path) -> None:
    runs = []
    for name in "ab":
        (tmp_path / name).mkdir()
        frames = run(tmp_path / name, refine=False)
        assert {face["latent"] for frame in frames for face in frame["faces"]} == {"encoder"}
        latents = pq.read_table(tmp_path / name / "latents.parquet")["latent"].to_numpy()
        runs.append(np.stack(latents))
    np.testing.assert_array_equal(*runs)


def test_refinement_that_fails_is_given_up_and_the_run_goes_on(
    weights: WeightFiles, store: EngineStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamfer.app.networks.refiner.Refiner", PatientRefiner)
    lame = WeightFiles(tmp_path)
    lame.generator.symlink_to(weights.generator)  # but no classifier
    summary = tmp_path / "summary.json"

    def broken(config: RunConfig, _: object, progress: Progress, **how: bool) -> Models:
        models = open_models(
            config, store, progress, weights, **{**how, "on_refinement": lambda _: None}
        )
        assert models.refinement is not None
        files = {"generator": lame.generator, "classifier": lame.classifier}
        return replace(models, refinement=replace(models.refinement, **files))

    monkeypatch.setattr("streamfer.app.session.networks.open_models", broken)
    frames = run(tmp_path, refine_every=0.1, max_frames=40, json_summary=summary)
    assert {face["latent"] for frame in frames for face in frame["faces"]} == {"encoder"}
    (note,) = json.loads(summary.read_text())["notes"]
    assert note.startswith("refinement was given up")
    assert lame.classifier.name in note


def test_the_python_interface_refines_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamfer.app.networks.refiner.Refiner", PatientRefiner)
    results = list(package.analyze("demo:", max_frames=12, device="cpu", refine_steps=2))
    assert all(face.reconstruction is not None for result in results for face in result.faces)
    (face,) = results[-1].faces
    assert face.latent_kind == "refined"
    assert face.latent is not None
    assert face.latent.shape == (10, 8)
    assert face.reconstruction is not None
    assert face.reconstruction.shape == (64, 64)


def test_latents_without_weights_are_one_line_and_nothing_is_written(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamfer.app.session.networks.open_models", open_models)
    monkeypatch.setattr("streamfer.app.networks.models.SHIPPED", WeightFiles(tmp_path))
    path = tmp_path / "latents.parquet"
    ended = streamfer(capfd, "run", "demo:", "--latents", path)
    assert ended.code == 2
    assert "--latents" in ended.complaint
    assert "encoder_faces64.safetensors" in ended.complaint
    assert not path.exists()
