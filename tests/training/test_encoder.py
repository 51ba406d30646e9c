"""A tiny encoder learns to let a frozen generator redraw faces."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from streamfer.errors import ConfigError
from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.inversion.lens import Lens
from streamfer.models.storage import load_encoder
from streamfer.models.stylegan2 import Generator, GeneratorConfig, to_uint8
from streamfer.models.vgg import FaceVGG, FaceVGGConfig
from streamfer.training.encoder import (
    EncoderTrainer,
    EncoderTraining,
    train_encoder,
)
from streamfer.training.latent.optimised_faces import OptimisedFaces
from streamfer.training.runs.loop import learning_rate_factor

TINY = EncoderTraining(
    shape=EncoderConfig(size=16, channels=(8, 8), blocks=(1, 1), code_dim=32, num_ws=6, w_dim=8),
    images=32,
    batch_size=8,
    learning_rate=0.01,
    tick_images=16,
    bf16=False,
)


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    shape = GeneratorConfig(channels=(8, 8, 8), z_dim=8, w_dim=8, mapping_layers=2)
    return Generator(shape).freeze()


@pytest.fixture(scope="module")
def lens() -> Lens:
    torch.manual_seed(1)
    return Lens(FaceVGG(FaceVGGConfig(width=0.05, input_size=16)))


@pytest.fixture(scope="module")
def faces(generator: Generator) -> Tensor:
    """Pictures that the generator can draw."""
    random = torch.Generator().manual_seed(2)
    return to_uint8(generator(torch.randn(32, 8, generator=random))[:, 0])


def test_reconstructions_and_known_codes_improve(
    faces: Tensor, generator: Generator, lens: Lens
) -> None:
    trainer = EncoderTrainer(faces, generator, lens, TINY)
    trainer.step(0.0)
    first = trainer.metrics()
    for _ in range(110):
        trainer.step(0.1)
    trainer.metrics()
    for _ in range(5):
        trainer.step(0.1)
    last = trainer.metrics()
    assert last["latent"] < 0.8 * first["latent"]
    assert last["pixel"] < 0.5 * first["pixel"]
    assert last["images"] == 116 * 8


@pytest.mark.parametrize("bf16", [False, True])
def test_it_learns_from_real_faces_alone(
    faces: Tensor, generator: Generator, lens: Lens, bf16: bool
) -> None:
    config = dataclasses.replace(TINY, generated=0.0, bf16=bf16)
    trainer = EncoderTrainer(faces, generator, lens, config)
    trainer.step(0.0)
    first = trainer.metrics()
    assert "latent" not in first
    for _ in range(60):
        trainer.step(0.1)
    trainer.metrics()
    trainer.step(0.1)
    assert trainer.metrics()["pixel"] < 0.5 * first["pixel"]


def test_means_of_many_steps_are_exact_in_half_precision(
    faces: Tensor, generator: Generator, lens: Lens
) -> None:
    config = dataclasses.replace(TINY, generated=0.0, bf16=True, learning_rate=0.0)
    trainer = EncoderTrainer(faces, generator, lens, config)
    singly = []
    for _ in range(40):
        trainer.step(0.1)
        singly.append(trainer.metrics()["feature"])
    torch.manual_seed(TINY.seed)
    trainer = EncoderTrainer(faces, generator, lens, config)
    for _ in range(40):
        trainer.step(0.1)
    assert trainer.metrics()["feature"] == pytest.approx(sum(singly) / 40, rel=1e-4)


def test_fewer_generated_faces_than_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="--generated must be at least 0, not -1"):
        dataclasses.replace(TINY, generated=-1.0)


def test_it_leaves_weights_metrics_and_pairs(
    tmp_path: Path, faces: Tensor, generator: Generator, lens: Lens
) -> None:
    encoder = train_encoder(faces, generator, lens, TINY, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["images"] for row in rows] == [16, 32]
    assert {"pixel", "feature", "expression", "delta", "latent"} <= rows[0].keys()
    assert (tmp_path / "pairs.png").stat().st_size > 500
    images = torch.rand(3, 1, 16, 16)
    loaded = load_encoder(tmp_path / "encoder.safetensors")
    torch.testing.assert_close(loaded(images), encoder(images), rtol=0.02, atol=0.02)


def test_resumed_it_goes_on_as_if_never_stopped(
    tmp_path: Path, faces: Tensor, generator: Generator, lens: Lens
) -> None:
    whole = train_encoder(faces, generator, lens, TINY, tmp_path / "whole", clock=lambda: 0.0)
    # The cosine runs over the images of the whole run, so the first part is ended by its time.
    readings = iter([0.0, 0.0, 0.0, 1e10, 1e10])
    train_encoder(
        faces, generator, lens, TINY, tmp_path / "parts", clock=lambda: next(readings, 1e10)
    )
    assert json.loads((tmp_path / "parts" / "state.json").read_text())["images"] == 16
    resumed = train_encoder(
        faces, generator, lens, TINY, tmp_path / "parts", resume=True, clock=lambda: 0.0
    )
    for expected, actual in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(actual, expected)


def test_optimised_codes_are_learned(
    tmp_path: Path, faces: Tensor, generator: Generator, lens: Lens
) -> None:
    codes = generator.mapping(torch.randn(32, 8, generator=torch.Generator().manual_seed(2)))
    known = OptimisedFaces(faces, codes[:, None].repeat(1, 6, 1))
    trainer = EncoderTrainer(faces, generator, lens, TINY, known)
    trainer.step(0.0)
    first = trainer.metrics()
    for _ in range(60):
        trainer.step(0.1)
    trainer.metrics()
    trainer.step(0.1)
    assert trainer.metrics()["code"] < 0.8 * first["code"]


def test_a_run_with_codes_is_resumed_and_may_start_from_an_encoder(
    tmp_path: Path, faces: Tensor, generator: Generator, lens: Lens
) -> None:
    known = OptimisedFaces(faces, torch.zeros(32, 6, 8))
    initial = Encoder(TINY.shape)
    given = {"known": known, "initial": initial, "clock": lambda: 0.0}
    whole = train_encoder(faces, generator, lens, TINY, tmp_path / "whole", **given)  # type: ignore[arg-type]
    readings = iter([0.0, 0.0, 0.0, 1e10, 1e10])
    parts = {**given, "clock": lambda: next(readings, 1e10)}
    train_encoder(faces, generator, lens, TINY, tmp_path / "parts", **parts)  # type: ignore[arg-type]
    resumed = train_encoder(
        faces,
        generator,
        lens,
        TINY,
        tmp_path / "parts",
        resume=True,
        **given,  # type: ignore[arg-type]
    )
    for expected, actual in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(actual, expected)
    started = EncoderTrainer(faces, generator, lens, TINY, None, initial)
    for expected, actual in zip(initial.parameters(), started.encoder.parameters(), strict=True):
        assert torch.equal(actual, expected)


def test_learning_rate_rises_and_falls() -> None:
    factors = [learning_rate_factor(p) for p in (0.0, 0.01, 0.5, 1.0)]
    assert factors == pytest.approx([0.01, 1.0, 0.5, 0.01], abs=0.01)
