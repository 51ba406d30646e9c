"""A tiny game: it learns, is resumed exactly, and leaves what it promises."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import pytest
import torch
from torch import Tensor

from streamfer.errors import ConfigError
from streamfer.models.storage import load_generator
from streamfer.models.stylegan2 import GeneratorConfig
from streamfer.training.generator import train_generator
from streamfer.training.latent.gan import GeneratorTrainer, GeneratorTraining

TINY = GeneratorTraining(
    shape=GeneratorConfig(channels=(8, 8), z_dim=4, w_dim=8, mapping_layers=2),
    discriminator_channels=(8, 8),
    images=64,
    batch_size=8,
    tick_images=32,
    r1_every=2,
    path_length_weight=1.0,
    path_length_every=2,
    bf16=False,
)


@pytest.fixture
def faces() -> Tensor:
    """Dark discs on light ground, at random places."""
    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    centres = torch.rand(64, 2) * 4 + 2
    squared = (x - centres[:, :1, None]) ** 2 + (y - centres[:, 1:, None]) ** 2
    return torch.where(squared < 4, 40, 210).to(torch.uint8)


def test_it_leaves_weights_metrics_and_a_sheet(tmp_path: Path, faces: Tensor) -> None:
    generator = train_generator(faces, TINY, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["images"] for row in rows] == [32, 64]
    assert {"loss_G", "loss_D", "r1", "ada_p", "seconds"} <= rows[0].keys()
    sheet = cv2.imread(str(tmp_path / "samples.png"), cv2.IMREAD_GRAYSCALE)
    assert sheet is not None
    assert sheet.shape == (8 * 10 + 2, 8 * 10 + 2)
    loaded = load_generator(tmp_path / "generator.safetensors")
    z = torch.randn(2, 4)
    torch.testing.assert_close(loaded(z), generator(z), rtol=0.05, atol=0.05)


def test_resumed_it_goes_on_as_if_never_stopped(tmp_path: Path, faces: Tensor) -> None:
    whole = train_generator(faces, TINY, tmp_path / "whole")
    half = dataclasses.replace(TINY, images=32)
    train_generator(faces, half, tmp_path / "parts")
    resumed = train_generator(faces, TINY, tmp_path / "parts", resume=True)
    for expected, actual in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(actual, expected)


def test_a_resumed_run_logs_as_if_never_stopped(tmp_path: Path, faces: Tensor) -> None:
    train_generator(faces, TINY, tmp_path / "whole")
    train_generator(faces, dataclasses.replace(TINY, images=32), tmp_path / "parts")
    train_generator(faces, TINY, tmp_path / "parts", resume=True)
    whole, parts = _rows(tmp_path / "whole"), _rows(tmp_path / "parts")
    assert len(parts) == len(whole)
    for expected, actual in zip(whole, parts, strict=True):
        for name in ("images", "loss_G", "loss_D", "r1"):
            assert actual[name] == pytest.approx(expected[name], rel=1e-3)
    train_generator(faces, TINY, tmp_path / "parts", resume=True)  # nothing is left to do
    assert _rows(tmp_path / "parts") == parts


def _rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_on_other_faces_it_cannot_be_resumed(tmp_path: Path, faces: Tensor) -> None:
    train_generator(faces, TINY, tmp_path)
    with pytest.raises(ConfigError, match="cannot resume: faces_sha256 was"):
        train_generator(255 - faces, TINY, tmp_path, resume=True)


def test_other_options_cannot_be_resumed(tmp_path: Path, faces: Tensor) -> None:
    train_generator(faces, dataclasses.replace(TINY, images=8), tmp_path)
    changed = dataclasses.replace(TINY, learning_rate=0.1)
    with pytest.raises(ConfigError, match=r"learning_rate was 0\.0025, now 0\.1"):
        train_generator(faces, changed, tmp_path, resume=True)


def test_the_time_limit_ends_it(tmp_path: Path, faces: Tensor) -> None:
    times = iter(range(0, 10_000, 100))
    config = dataclasses.replace(TINY, max_seconds=250.0)
    train_generator(faces, config, tmp_path, clock=lambda: next(times))
    state = json.loads((tmp_path / "state.json").read_text())
    assert 0 < state["images"] < TINY.images


def test_samples_come_closer_to_the_faces(faces: Tensor) -> None:
    config = dataclasses.replace(
        TINY, batch_size=16, path_length_weight=0.0, r1_every=16, learning_rate=0.01
    )
    trainer = GeneratorTrainer(faces, config)

    def distance() -> float:
        """Of the mean picture and its deviation from those of the faces, in gray levels."""
        samples, real = trainer.samples(128, 1.0).float(), faces.float()
        mean = (samples.mean(dim=0) - real.mean(dim=0)).abs().mean()
        deviation = (samples.std(dim=0) - real.std(dim=0)).abs().mean()
        return (mean + deviation).item()

    before = distance()
    for _ in range(150):
        trainer.step()
    assert distance() < 0.5 * before
