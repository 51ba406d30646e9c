"""Latent codes and their refinement in whole runs, on small random networks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import streamfer as package
from streamfer.app.config import RunConfig
from streamfer.app.networks.models import Models, open_models
from streamfer.app.session.build import running_refiner
from streamfer.app.session.run import analyse
from streamfer.app.session.signals import StopSignals
from streamfer.app.session.sources import LiveReports, open_streams
from streamfer.media.sources.source_list import expand_sources
from streamfer.models.shipped import WeightFiles
from streamfer.runtime.store.store import EngineStore
from tests.support.latent import save_all_networks
from tests.support.program import frame_records, record_lines, streamfer
from tests.support.refinement import PatientRefiner


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> WeightFiles:
    return save_all_networks(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EngineStore:
    return EngineStore(tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="module")
def models(weights: WeightFiles, store: EngineStore) -> Iterator[Models]:
    config = RunConfig(device="cpu")
    with closing(open_models(config, store, lambda *_: None, weights)) as models:
        yield models


def run(models: Models, folder: Path, **options: Any) -> list[dict[str, Any]]:
    """Analyses the beginning of the demo; returns the records of its frames."""
    config = RunConfig(
        source=("demo:",),
        display=False,
        device="cpu",
        records=folder / "records.jsonl",
        latents=folder / "latents.parquet",
        refine_steps=2,
        **{"max_frames": 12, **options},
    )
    reports = LiveReports()
    with ExitStack() as stack:
        signals = stack.enter_context(StopSignals())
        streams = open_streams(expand_sources(config.source), config, reports)
        for stream in streams:
            stack.callback(stream.source.close)
        analyse(config, streams, models, reports, signals, Console(quiet=True))
    return frame_records(folder / "records.jsonl")


def test_faces_are_refined_in_the_background_and_their_latents_stored(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamfer.app.networks.refiner.Refiner", PatientRefiner)
    faces = [frame["faces"][0] for frame in run(models, tmp_path)]
    assert len(faces) == 12
    assert (faces[0]["latent"], faces[-1]["latent"]) == ("encoder", "refined")
    assert faces[0]["reconstruction_error"] is faces[0]["refined_age_s"] is None
    assert 0 < faces[-1]["reconstruction_error"] < 1
    assert 0 < faces[-1]["refined_age_s"] < 1
    table = pq.read_table(tmp_path / "latents.parquet")
    assert table["frame"].to_pylist() == list(range(12))
    latents = np.stack(table["latent"].to_numpy())
    assert latents.shape == (12, 80)
    assert np.abs(latents[-1] - latents[0]).max() > 0
    header = record_lines(tmp_path / "records.jsonl")[0]
    assert header["models"]["face"]["name"] == "fused_vgg19"


def test_without_refinement_every_latent_is_the_encoder_s(models: Models, tmp_path: Path) -> None:
    runs = []
    for name in "ab":
        (tmp_path / name).mkdir()
        frames = run(models, tmp_path / name, refine=False)
        assert {face["latent"] for frame in frames for face in frame["faces"]} == {"encoder"}
        latents = pq.read_table(tmp_path / name / "latents.parquet")["latent"].to_numpy()
        runs.append(np.stack(latents))
    np.testing.assert_array_equal(*runs)


def test_refinement_that_fails_is_given_up_and_the_run_goes_on(
    models: Models, weights: WeightFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamfer.app.networks.refiner.Refiner", PatientRefiner)
    lame = WeightFiles(tmp_path)
    lame.generator.symlink_to(weights.generator)  # but no classifier
    summary = tmp_path / "summary.json"
    broken = Models(models.detector, models.face, lame)
    frames = run(broken, tmp_path, refine_every=0.1, max_frames=40, json_summary=summary)
    assert {face["latent"] for frame in frames for face in frame["faces"]} == {"encoder"}
    (note,) = json.loads(summary.read_text())["notes"]
    assert note.startswith("refinement was given up")
    assert lame.classifier.name in note


def test_the_python_interface_refines_too(
    weights: WeightFiles, store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamfer.app.networks.refiner.Refiner", PatientRefiner)
    monkeypatch.setattr(
        "streamfer.app.api.open_models",
        lambda config, _, progress, **how: open_models(config, store, progress, weights, **how),
    )
    *_, last = package.analyze("demo:", max_frames=12, device="cpu", refine_steps=2)
    (face,) = last.faces
    assert face.latent_kind == "refined"
    assert face.latent is not None
    assert face.latent.shape == (10, 8)
    assert face.reconstruction is not None
    assert face.reconstruction.shape == (64, 64)


@pytest.mark.parametrize("refine", [True, False])
def test_there_is_no_refiner_without_latents_or_when_it_is_off(
    models: Models, refine: bool
) -> None:
    latent = None if refine else models.latent
    config = RunConfig(refine=refine)
    with running_refiner(config, Models(models.detector, models.face, latent)) as refiner:
        assert refiner is None


def test_latents_without_weights_are_one_line_and_nothing_is_written(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamfer.app.networks.models.SHIPPED", WeightFiles(tmp_path))
    path = tmp_path / "latents.parquet"
    ended = streamfer(capfd, "run", "demo:", "--latents", path)
    assert ended.code == 2
    assert "--latents" in ended.complaint
    assert "encoder_faces64.safetensors" in ended.complaint
    assert not path.exists()


def test_latents_cannot_be_added_to(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ended = streamfer(
        capfd, "run", "demo:", "--skip-existing", "--output", tmp_path / "x.mp4",
        "--latents", tmp_path / "latents.parquet",
    )  # fmt: skip
    assert (ended.code, "--latents" in ended.complaint) == (2, True)
