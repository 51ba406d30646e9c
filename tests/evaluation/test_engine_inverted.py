"""Inversion through engines against the same by torch, with the shipped networks."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from streamfer.errors import EngineError
from streamfer.evaluation.engine_inverted import invert_on_engines, open_latent_engines
from streamfer.evaluation.inverted import invert_faces, load_latent_models
from streamfer.models.inversion.curvature import curvature_of
from streamfer.models.inversion.descent import InversionConfig, search_of_a_run
from streamfer.models.inversion.engine_inversion import EngineRefiner, EngineSearch
from streamfer.models.shipped import SHIPPED
from streamfer.runtime.store.store import EngineStore
from streamfer.training.faces.sources import read_faces
from streamfer.types import UInt8Array
from streamfer.vision.astronaut import astronaut
from tests.support.latent import save_latent_networks
from tests.support.shared import shared_file

SHIPPED_FILES = {
    "generator": SHIPPED.generator,
    "encoder": SHIPPED.encoder,
    "classifier": SHIPPED.classifier,
}


@pytest.fixture
def crops() -> UInt8Array:
    """One face, (1, 64, 64)."""
    head = astronaut()[:256, 96:352]
    crop = cv2.resize(cv2.cvtColor(head, cv2.COLOR_RGB2GRAY), (64, 64), None, 0, 0, cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)[None]


def test_it_finds_what_torch_finds(crops: UInt8Array) -> None:
    config = InversionConfig(steps=3)
    with closing(open_latent_engines(SHIPPED_FILES, EngineStore(), "onnxruntime")) as engines:
        (found,) = invert_on_engines(engines, crops, ["face"], config)
    models = load_latent_models(
        SHIPPED.generator, SHIPPED.encoder, SHIPPED.classifier, torch.device("cpu")
    )
    (expected,) = invert_faces(models, crops, ["face"], config)
    assert found.numbers().keys() == expected.numbers().keys()
    for name, value in found.numbers().items():
        if isinstance(value, float) and name != "seconds":
            assert value == pytest.approx(expected.numbers()[name], rel=0.01), name
        elif name != "seconds":
            assert value == expected.numbers()[name]
    np.testing.assert_allclose(found.history, expected.history, rtol=0.01)
    np.testing.assert_allclose(found.latent_encoder, expected.latent_encoder, atol=1e-3)
    # Adam divides a gradient by its size: of one that is almost zero rounding decides the sign.
    apart = np.square(found.latent_refined - expected.latent_refined).mean()
    assert apart < 0.02 * np.square(expected.latent_refined - expected.latent_encoder).mean()
    for kind in ("input", "encoder", "refined"):
        difference = getattr(found, kind).astype(int) - getattr(expected, kind).astype(int)
        # Codes as near as above draw single pixels up to 3 apart on a processor without AVX-512.
        assert np.abs(difference).max() <= 5, kind
        assert np.abs(difference).mean() <= 1, kind


@pytest.fixture(scope="module")
def training_crops() -> UInt8Array:
    """Twelve faces, for of a single one any search may win by chance."""
    pictures = read_faces(shared_file("data/fer/train-0.parquet"), "train").pictures[:12]
    return np.stack([cv2.resize(p, (64, 64), None, 0, 0, cv2.INTER_CUBIC) for p in pictures])


def test_five_of_newton_s_steps_lead_further_than_ten_of_adam_s(training_crops: UInt8Array) -> None:
    known = curvature_of(SHIPPED.generator, SHIPPED.classifier)
    names = [str(number) for number in range(len(training_crops))]
    with closing(open_latent_engines(SHIPPED_FILES, EngineStore(), "onnxruntime")) as engines:
        newton, adam = (
            invert_on_engines(engines, training_crops, names, config)
            for config in (search_of_a_run(5, curvature=known), search_of_a_run(10))
        )
    assert all(face.history.min() < face.history[0] for face in newton)
    assert np.mean([face.history.min() for face in newton]) < np.mean(
        [face.history.min() for face in adam]
    )
    assert np.mean([face.mse_refined for face in newton]) < np.mean(
        [face.mse_refined for face in adam]
    )


def test_from_a_good_code_on_the_pace_of_a_run_gains_more_than_that_of_a_long_search(
    training_crops: UInt8Array,
) -> None:
    run, long = search_of_a_run(8), InversionConfig(steps=8)
    assert run == replace(long, learning_rate=run.learning_rate)
    crops = training_crops
    names = [str(number) for number in range(len(crops))]
    with closing(open_latent_engines(SHIPPED_FILES, EngineStore(), "onnxruntime")) as engines:
        good = invert_on_engines(engines, crops, names, InversionConfig(steps=25))
        refine = engines.refine
        of_run, of_long = (
            [
                EngineRefiner(search).refine(crop[None], face.latent_refined[None]).errors[0]
                for crop, face in zip(crops, good, strict=True)
            ]
            for search in (
                EngineSearch(refine.target, refine.step, config) for config in (run, long)
            )
        )
    assert np.mean(of_run) < 0.98 * np.mean(of_long)


def test_networks_of_another_shape_are_left_to_torch(tmp_path: Path) -> None:
    files = save_latent_networks(tmp_path)
    with pytest.raises(EngineError, match=r"encoder.*: not of the shipped networks' shape"):
        open_latent_engines(files, EngineStore(tmp_path / "engines"))
