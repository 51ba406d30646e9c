"""Trains generator and encoder together: `python -m streamfer.training.autoencoder`.

For machines without a GPU, where a game of millions of pictures is out of reach: encoder and
generator learn as an autoencoder, which gives usable reconstructions soonest. Half of the time a
face is drawn from its common style alone, and the mapping network learns where those styles lie
(sliced Wasserstein distance), so that random styles give faces too; a light discriminator keeps
both kinds of picture sharp.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.lens import Lens
from streamfer.models.storage import save_encoder, save_generator
from streamfer.models.stylegan2 import Generator, GeneratorConfig, from_uint8, to_uint8
from streamfer.models.vgg import load_face_vgg
from streamfer.training.adversarial import discriminator_loss, generator_loss, r1_penalty
from streamfer.training.aligned import read_aligned_faces
from streamfer.training.command import (
    ProgressLine,
    config_from,
    pick_device,
    run_command,
    training_parser,
)
from streamfer.training.discriminator import Discriminator
from streamfer.training.encoder import learning_rate_factor
from streamfer.training.real_faces import draw_real, follow
from streamfer.training.reconstruction import (
    ReconstructionWeights,
    reconstruction_losses,
    weighted_sum,
)
from streamfer.training.run_folder import RunFolder
from streamfer.vision.sheet import write_sheet

_SHEET_FACES = 32
_FREE_OPTIONS = ("images", "max_seconds", "tick_images")
_DIRECTIONS = 256
"""Projections of the sliced Wasserstein distance."""


@dataclass(frozen=True, slots=True)
class AutoencoderTraining:
    """A recipe."""

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    discriminator_channels: tuple[int, ...] = (96, 64, 48, 32, 16)
    """A quarter of the generator's arithmetic."""
    weights: ReconstructionWeights = field(default_factory=ReconstructionWeights)
    images: int = 600_000
    """Faces shown in all."""
    max_seconds: float = 7000.0
    """It stops, ready to be resumed, after this long."""
    batch_size: int = 32
    learning_rate: float = 0.002
    """Of Adam; falls to 0 along a cosine."""
    adversarial: float = 0.05
    """Weight of the discriminator's opinion."""
    common_only: float = 0.5
    """Share of the faces drawn from the common style alone."""
    prior: float = 1.0
    """Weight of the distance between the mapping's styles and the encoder's."""
    r1_gamma: float = 0.5
    r1_every: int = 16
    ema_decay: float = 0.998
    tick_images: int = 20_000
    """Faces between two lines of metrics, sheets and states."""
    seed: int = 0


class AutoencoderTrainer:
    """The three networks and their step.

    Args:
        faces: (M, R, R) uint8 aligned faces, on the device that trains.
        lens: frozen, on that device.
        config: the recipe.
    """

    def __init__(self, faces: Tensor, lens: Lens, config: AutoencoderTraining) -> None:
        torch.manual_seed(config.seed)
        device = faces.device
        self.faces = faces
        self.lens = lens
        self.config = config
        self.device = device
        self.G = Generator(config.generator).to(device)
        self.E = Encoder(config.encoder).to(device)
        self.D = Discriminator(config.discriminator_channels, config.generator.img_channels)
        self.D.to(device)
        self.G_ema = copy.deepcopy(self.G).requires_grad_(False)
        self.E_ema = copy.deepcopy(self.E).eval().requires_grad_(False)
        both = [*self.G.parameters(), *self.E.parameters()]
        self.optimizer = torch.optim.Adam(both, config.learning_rate, betas=(0.5, 0.99))
        self.D_optimizer = torch.optim.Adam(
            self.D.parameters(), config.learning_rate, betas=(0.0, 0.99)
        )
        self.images_seen = 0
        self.steps = 0
        self.sums: dict[str, Tensor] = {}
        self.unreported = 0

    def step(self, progress: float) -> None:
        """Learns from one batch; `progress` of the run, 0 to 1, sets the learning rate."""
        config = self.config
        real = draw_real(self.faces, config.batch_size)
        for optimizer in (self.optimizer, self.D_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * learning_rate_factor(progress)
        losses, pictures = self._autoencode(real)
        self._discriminate(real, pictures)
        for average, current in ((self.G_ema, self.G), (self.E_ema, self.E)):
            follow(average, current, 1 - config.ema_decay)
        self.images_seen += config.batch_size
        self.steps += 1
        self.unreported += 1
        for name, loss in losses.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(loss)) + loss.detach()

    def _autoencode(self, real: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Teaches encoder and generator; returns the losses and what was drawn."""
        config = self.config
        n, num_ws = len(real), config.generator.num_ws
        self.E.train()
        common, deltas = self.E.offsets(real)
        kept = torch.rand(n, 1, 1, device=self.device) >= config.common_only
        ws = self.E.compose(common, deltas * kept)
        w = self.G.mapping(torch.randn(n, config.generator.z_dim, device=self.device))
        sampled = w[: max(n // 2, 1)].detach()[:, None].expand(-1, num_ws, -1)
        pictures = self.G.synthesis(torch.cat([ws, sampled]), "random")
        losses = reconstruction_losses(self.lens, real, pictures[:n])
        losses["delta"] = deltas.square().mean()
        total = weighted_sum(losses, config.weights)
        losses["prior"] = sliced_wasserstein(w, ws[:, 0].detach())
        self.D.requires_grad_(False)
        losses["adversarial"] = generator_loss(self.D(pictures))
        self.D.requires_grad_(True)
        total = total + config.prior * losses["prior"]
        self.optimizer.zero_grad()
        torch.autograd.backward(total + config.adversarial * losses["adversarial"])
        self.optimizer.step()
        with torch.no_grad():
            self.G.mapping.w_avg.lerp_(w.detach().mean(dim=0), 0.01)
        return losses, pictures.detach()

    def _discriminate(self, real: Tensor, pictures: Tensor) -> None:
        loss = discriminator_loss(self.D(real), self.D(pictures))
        if self.steps % self.config.r1_every == 0:
            weight = self.config.r1_gamma * self.config.r1_every
            loss = loss + weight * r1_penalty(self.D, real)
        self.D_optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.D_optimizer.step()

    def metrics(self) -> dict[str, float]:
        """Means since the last call; waits for the device."""
        means = {name: total.item() / self.unreported for name, total in self.sums.items()}
        self.sums, self.unreported = {}, 0
        return {"images": self.images_seen, **means}

    @torch.no_grad()
    def pairs(self, count: int) -> Tensor:
        """(2 · count, R, R) uint8: faces, each followed by its reconstruction."""
        faces = self.faces[:count]
        drawn = self.G_ema.synthesis(self.E_ema(from_uint8(faces)))
        return torch.stack([faces, to_uint8(drawn[:, 0])], dim=1).flatten(0, 1).cpu()

    @torch.no_grad()
    def samples(self, count: int, truncation_psi: float) -> Tensor:
        """(count, R, R) uint8 pictures of random styles, the same every time."""
        random = torch.Generator().manual_seed(1)
        z = torch.randn(count, self.config.generator.z_dim, generator=random)
        return to_uint8(self.G_ema(z.to(self.device), truncation_psi)[:, 0]).cpu()


def sliced_wasserstein(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared distance of two equally large sets of points, seen from random directions.

    Bonneel et al., *Sliced and Radon Wasserstein Barycenters of Measures* (2015).

    Args:
        a: (N, D).
        b: (N, D).
    """
    directions = torch.nn.functional.normalize(
        torch.randn(a.shape[1], _DIRECTIONS, device=a.device), dim=0
    )
    first, second = ((x @ directions).sort(dim=0).values for x in (a, b))
    return (first - second).square().mean()


def train_autoencoder(
    faces: Tensor,
    lens: Lens,
    config: AutoencoderTraining,
    out: Path,
    *,
    resume: bool = False,
    clock: Callable[[], float] = time.monotonic,
    on_tick: Callable[[dict[str, Any]], None] = lambda metrics: None,
) -> tuple[Generator, Encoder]:
    """Trains until all faces are shown or the time is up.

    Args:
        faces: (M, R, R) uint8 aligned faces on the device that trains.
        lens: frozen, on that device.
        config: the recipe.
        out: gets `config.json`, `metrics.jsonl`, `pairs.png`, `samples.png`,
            `generator.safetensors` and `encoder.safetensors` (averaged weights), and the state to
            resume from.
        resume: go on from the state in `out`.
        clock: seconds, monotonic.
        on_tick: called with each line of metrics.

    Returns:
        The averaged generator and encoder.

    Raises:
        ConfigError: it cannot be resumed with these options.
    """
    began = clock()
    trainer = AutoencoderTrainer(faces, lens, config)
    modules = {name: getattr(trainer, name) for name in ("G", "E", "D", "G_ema", "E_ema")}
    optimizers = {"autoencoder": trainer.optimizer, "D": trainer.D_optimizer}
    folder = RunFolder(out, asdict(config), resume=resume, free=_FREE_OPTIONS)
    if folder.resuming:
        progress = folder.load(modules, optimizers)
        trainer.images_seen, trainer.steps = progress["images"], progress["steps"]

    def tick() -> None:
        metrics = {**trainer.metrics(), "seconds": clock() - began}
        folder.log(metrics)
        write_sheet(trainer.pairs(_SHEET_FACES).numpy(), out / "pairs.png")
        write_sheet(trainer.samples(2 * _SHEET_FACES, 0.7).numpy(), out / "samples.png")
        notes = {"images": str(trainer.images_seen), "seed": str(config.seed)}
        save_generator(trainer.G_ema, out / "generator.safetensors", notes)
        save_encoder(trainer.E_ema, out / "encoder.safetensors", notes)
        folder.save(modules, optimizers, {"images": trainer.images_seen, "steps": trainer.steps})
        on_tick(metrics)

    next_tick = trainer.images_seen + config.tick_images
    while trainer.images_seen < config.images:
        elapsed = (clock() - began) / config.max_seconds
        if elapsed >= 1:
            break
        trainer.step(max(elapsed, trainer.images_seen / config.images))
        if trainer.images_seen >= next_tick:
            next_tick += config.tick_images
            tick()
    if trainer.unreported:
        tick()
    return trainer.G_ema, trainer.E_ema


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = training_parser(
        "streamfer.training.autoencoder",
        "Trains generator and encoder together, for machines without a GPU.",
        AutoencoderTraining,
    )
    parser.add_argument("--classifier", type=Path, required=True, help="face_vgg19.safetensors")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --out")
    return run_command(lambda: _train(parser.parse_args(arguments)))


def _train(options: argparse.Namespace) -> None:
    config = config_from(options, AutoencoderTraining)
    device = pick_device(options.device)
    lens = Lens(load_face_vgg(options.classifier)).to(device)
    aligned = read_aligned_faces(options.data, "train", options.landmarks)
    with ProgressLine(config.images, "autoencoder") as line:
        train_autoencoder(
            torch.from_numpy(aligned.crops).to(device),
            lens,
            config,
            options.out,
            resume=options.resume,
            on_tick=lambda metrics: line.report(metrics["images"], metrics),
        )


if __name__ == "__main__":
    sys.exit(main())
