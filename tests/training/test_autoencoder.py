"""A tiny autoencoder: it redraws faces, its samples lie where its codes do, it is resumed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from streamfer.errors import EngineError
from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.inversion.lens import Lens
from streamfer.models.storage import load_encoder, load_generator, save_encoder
from streamfer.models.stylegan2 import GeneratorConfig, to_uint8
from streamfer.models.vgg import FaceVGG, FaceVGGConfig
from streamfer.training.autoencoder import main, train_autoencoder
from streamfer.training.generator import train_generator
from streamfer.training.latent.autoencoder_trainer import (
    AutoencoderTrainer,
    AutoencoderTraining,
)
from streamfer.training.latent.gan import GeneratorTraining
from streamfer.training.latent.style_cloud import sliced_wasserstein

TINY = AutoencoderTraining(
    generator=GeneratorConfig(channels=(16, 16, 8), z_dim=4, w_dim=8, mapping_layers=2),
    encoder=EncoderConfig(size=16, channels=(8, 16), blocks=(1, 1), code_dim=32, num_ws=6, w_dim=8),
    discriminator_channels=(8, 8, 8),
    images=64,
    batch_size=16,
    learning_rate=0.01,
    ema_decay=0.9,
    tick_images=32,
)


@pytest.fixture(scope="module")
def lens() -> Lens:
    torch.manual_seed(1)
    return Lens(FaceVGG(FaceVGGConfig(width=0.05, input_size=16)))


@pytest.fixture(scope="module")
def faces() -> Tensor:
    """Dark discs on light ground, at random places."""
    random = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    centres = torch.rand(64, 2, generator=random) * 8 + 4
    squared = (x - centres[:, :1, None]) ** 2 + (y - centres[:, 1:, None]) ** 2
    return torch.where(squared < 16, 40, 210).to(torch.uint8)


def test_it_learns_to_redraw(faces: Tensor, lens: Lens) -> None:
    trainer = AutoencoderTrainer(faces, lens, TINY)
    trainer.step(0.1)
    first = trainer.metrics()
    for _ in range(70):
        trainer.step(0.1)
    trainer.metrics()
    for _ in range(5):
        trainer.step(0.1)
    last = trainer.metrics()
    assert last["pixel"] < 0.5 * first["pixel"]
    pairs = trainer.pairs(16).float()
    assert (pairs[::2] - pairs[1::2]).abs().mean() < 40


def test_it_leaves_networks_that_fit_and_is_resumed(
    tmp_path: Path, faces: Tensor, lens: Lens
) -> None:
    train_autoencoder(faces, lens, TINY, tmp_path / "whole", clock=lambda: 0.0)
    readings = iter([0.0, 0.0, 0.0, 1e10])
    parts = tmp_path / "parts"
    train_autoencoder(faces, lens, TINY, parts, clock=lambda: next(readings, 1e10))
    generator, encoder = train_autoencoder(faces, lens, TINY, parts, resume=True, clock=lambda: 0.0)
    for folder in (tmp_path / "whole", parts):
        loaded = (
            load_encoder(folder / "encoder.safetensors"),
            load_generator(folder / "generator.safetensors"),
        )
        images = torch.rand(2, 1, 16, 16)
        torch.testing.assert_close(
            loaded[1].synthesis(loaded[0](images)),
            generator.synthesis(encoder(images)),
            rtol=0.1,
            atol=0.05,
        )
    assert (parts / "pairs.png").exists()
    assert (parts / "samples.png").exists()


class Watched(torch.nn.Module):
    """Passes pictures on to the discriminator as they are, and keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach())
        return images


def test_the_discriminator_judges_random_faces_beside_real_ones_as_they_are(
    faces: Tensor, lens: Lens
) -> None:
    trainer = AutoencoderTrainer(faces, lens, dataclasses.replace(TINY, prior_steps=1))
    trainer.augment = Watched()
    trainer.step(0.9)
    for_the_generator, real, drawn = trainer.augment.seen
    known = {row.numpy().tobytes() for row in torch.cat([faces, faces.flip(2)])}
    assert all(row.numpy().tobytes() in known for row in to_uint8(real[:, 0]))
    assert len(drawn) == len(real) == TINY.batch_size
    torch.testing.assert_close(drawn, for_the_generator)


def test_the_mapping_learns_from_the_discriminator(faces: Tensor, lens: Lens) -> None:
    recipe = dataclasses.replace(TINY, prior=0.0, prior_steps=0)
    trainer = AutoencoderTrainer(faces, lens, recipe)
    before = [p.clone() for p in trainer.G.mapping.parameters()]
    trainer.step(0.1)
    assert all(map(torch.equal, before, trainer.G.mapping.parameters()))
    trainer.step(0.9)
    assert not any(map(torch.equal, before, trainer.G.mapping.parameters()))


def test_the_encoder_has_a_rate_of_its_own(faces: Tensor, lens: Lens) -> None:
    trainer = AutoencoderTrainer(faces, lens, dataclasses.replace(TINY, encoder_rate=0.25))
    trainer.step(0.1)
    drawing, coding = trainer.optimizer.param_groups
    assert coding["lr"] == 0.25 * drawing["lr"] > 0


def test_the_mapping_learns_where_the_codes_lie() -> None:
    torch.manual_seed(0)
    mapping = torch.nn.Linear(4, 8)
    target = torch.randn(64, 8) * torch.linspace(0.1, 2, 8) + 3
    optimizer = torch.optim.Adam(mapping.parameters(), 0.05)
    distances = []
    for _ in range(200):
        distance = sliced_wasserstein(mapping(torch.randn(64, 4)), target)
        optimizer.zero_grad()
        torch.autograd.backward(distance)
        optimizer.step()
        distances.append(distance.item())
    assert distances[-1] < 0.05 * distances[0]


def test_equal_sets_have_no_distance() -> None:
    points = torch.randn(20, 3)
    assert sliced_wasserstein(points, points.flip(0)).item() == pytest.approx(0, abs=1e-10)


def test_it_starts_from_trained_networks(tmp_path: Path, faces: Tensor, lens: Lens) -> None:
    game = GeneratorTraining(
        shape=TINY.generator,
        discriminator_channels=TINY.discriminator_channels,
        images=16,
        batch_size=8,
        bf16=False,
    )
    drawn = train_generator(faces, game, tmp_path / "game")
    trained = Encoder(TINY.encoder)
    torch.nn.init.normal_(trained.common.weight)
    save_encoder(trained, tmp_path / "encoder.safetensors", {})
    start = (tmp_path / "game", tmp_path / "encoder.safetensors")
    still = dataclasses.replace(TINY, images=0)
    generator, encoder = train_autoencoder(faces, lens, still, tmp_path / "out", initial=start)
    for expected, actual in ((drawn, generator), (trained, encoder)):
        for a, b in zip(expected.parameters(), actual.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3)
    trainer = AutoencoderTrainer(faces, lens, still)
    trainer.start_from(*start)
    for a, b in zip(drawn.parameters(), trainer.G.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    wider = dataclasses.replace(still, discriminator_channels=(8, 8, 16))
    with pytest.raises(EngineError, match=r"D\.state\.safetensors: not the weights"):
        train_autoencoder(faces, lens, wider, tmp_path / "out", initial=start)


def test_a_frozen_encoder_stays_as_it_is_while_the_generator_learns(
    tmp_path: Path, faces: Tensor, lens: Lens
) -> None:
    first = tmp_path / "first"
    train_autoencoder(faces, lens, dataclasses.replace(TINY, images=32), first)
    recipe = dataclasses.replace(
        TINY, images=32, freeze_encoder=True, common_only=0.0, adversarial_from=0.0
    )
    start = (first, first / "encoder.safetensors")
    train_autoencoder(faces, lens, recipe, tmp_path / "second", initial=start)
    encoders, generators = (
        [load(folder / file) for folder in (first, tmp_path / "second")]
        for load, file in (
            (load_encoder, "encoder.safetensors"),
            (load_generator, "generator.safetensors"),
        )
    )
    for a, b in zip(*(net.state_dict().values() for net in encoders), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    drawn = [net.synthesis(torch.ones(1, 6, 8)) for net in generators]
    assert not torch.allclose(*drawn, atol=1e-3)


def test_a_generator_goes_on_from_another_autoencoder(
    tmp_path: Path, faces: Tensor, lens: Lens, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "first"
    train_autoencoder(faces, lens, dataclasses.replace(TINY, images=16), first)
    recipes = []

    def note(*arguments: object, **options: object) -> None:
        recipes.append(arguments[2])

    monkeypatch.setattr("streamfer.training.autoencoder.train_autoencoder", note)
    monkeypatch.setattr("streamfer.training.autoencoder.load_face_vgg", lambda path: None)
    monkeypatch.setattr("streamfer.training.autoencoder.Lens", lambda network: lens)
    monkeypatch.setattr(
        "streamfer.training.autoencoder.read_training",
        lambda *arguments: SimpleNamespace(crops=faces.numpy()),
    )
    start = [f"--game={first}", f"--encoder={first / 'encoder.safetensors'}", "--device=cpu"]
    assert main(["--data=/d", f"--out={tmp_path / 'second'}", "--freeze-encoder", *start]) == 0
    assert recipes[0].generator == TINY.generator
    assert recipes[0].encoder == TINY.encoder
    assert recipes[0].freeze_encoder


def test_networks_to_start_from_are_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [f"--data={tmp_path}", f"--out={tmp_path}", "--classifier=/c", "--device=cpu"]
    assert main([*options, f"--game={tmp_path}"]) == 2
    assert "--game and --encoder are given together" in capsys.readouterr().err
    assert main([*options, "--freeze-encoder"]) == 2
    assert "--freeze-encoder needs the --encoder" in capsys.readouterr().err
    assert main([*options, f"--game={tmp_path}", "--encoder=/e"]) == 2
    assert "not the folder of a generator's training" in capsys.readouterr().err


@pytest.mark.parametrize("tick_images", [32, 48])
def test_without_a_discriminator_the_mapping_is_fitted_at_the_end(
    tick_images: int, tmp_path: Path, faces: Tensor, lens: Lens
) -> None:
    recipe = dataclasses.replace(TINY, adversarial_from=1.0, tick_images=tick_images)
    before = AutoencoderTrainer(faces, lens, recipe).G.mapping
    generator, _ = train_autoencoder(faces, lens, recipe, tmp_path, clock=lambda: 0.0)
    saved = load_generator(tmp_path / "generator.safetensors").mapping
    z = torch.randn(4, 4)
    assert not torch.allclose(before(z), generator.mapping(z))
    torch.testing.assert_close(saved(z), generator.mapping(z), rtol=0.1, atol=0.05)
