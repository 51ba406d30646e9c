"""Generator, encoder and discriminator of the autoencoder, and the step that teaches them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.inversion.lens import Lens
from streamfer.models.storage import load_encoder, load_generator, load_into, read_tensors
from streamfer.models.stylegan2 import Generator, GeneratorConfig, from_uint8, to_uint8
from streamfer.training.latent.adversarial import (
    discriminator_loss,
    generator_loss,
    mix_styles,
    r1_penalty,
)
from streamfer.training.latent.discriminator import Discriminator
from streamfer.training.latent.projected import DifferentiableAugment, ProjectedDiscriminator
from streamfer.training.latent.real_faces import averaging_step, draw_real, follow, jitter
from streamfer.training.latent.reconstruction import (
    ReconstructionWeights,
    reconstruction_losses,
    weighted_sum,
)
from streamfer.training.latent.style_cloud import factor_of_covariance, sliced_wasserstein
from streamfer.training.runs.loop import learning_rate_factor

_STYLE_MIXING = 0.5
"""Share of the random faces that are drawn from two styles."""
_FIT_FACES, _FIT_BATCH, _FIT_LEARNING_RATE = 8192, 512, 0.5
"""Of the mapping, whose own multiplier of the learning rate is 0.01."""


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
    encoder_rate: float = 1.0
    """The encoder's learning rate, as a share of that."""
    adversarial: float = 5.0
    """Weight of the discriminator's opinion. Its gradient at the pictures is a fifth of that
    through the lens and a tenth of that of the expression: with less weight it is not heard."""
    adversarial_from: float = 0.6
    """Share of the run that is over when the discriminator joins: before, pictures are blurs that
    it has nothing to say about, and it takes half of the time."""
    common_only: float = 0.5
    """Share of the faces drawn from the common style alone."""
    freeze_encoder: bool = False
    """Whether the encoder that it starts from stays as it is, so that whatever reads its codes (the
    fused heads) need not be trained again."""
    prior: float = 1.0
    """Weight of the distance between the mapping's styles and the encoder's."""
    prior_steps: int = 2000
    """Steps in which the mapping alone is fitted to the encoder's styles, when the discriminator
    joins or, without one, at the end; from then on it learns from the discriminator. Not where the
    networks come from a game, whose mapping is better."""
    projected: bool = False
    """A discriminator that looks through the lens (`ProjectedDiscriminator`) instead of a plain
    one: it learns from far fewer faces."""
    r1_gamma: float = 0.05
    r1_every: int = 16
    ema_decay: float = 0.998
    bf16: bool = False
    """Whether the networks work in bfloat16."""
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
        self.dtype = torch.bfloat16 if config.bf16 else None
        self.G = Generator(config.generator)
        self.E = Encoder(config.encoder)
        self.D: nn.Module
        self.augment: nn.Module
        if config.projected:
            self.D = ProjectedDiscriminator(lens, config.generator.resolution)
            self.augment = DifferentiableAugment()
        else:
            self.D = Discriminator(config.discriminator_channels, config.generator.img_channels)
            self.augment = nn.Identity()
        for module in (self.G, self.E, self.D, self.lens):
            # CPU convolutions are up to a fifth faster so.
            module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.G_ema = copy.deepcopy(self.G).requires_grad_(False)
        self.E_ema = copy.deepcopy(self.E).eval().requires_grad_(False)
        self.E.requires_grad_(not config.freeze_encoder)
        drawing = {"params": self.G.parameters(), "betas": (0.0, 0.99), "share": 1.0}
        coding = {"params": self.E.parameters(), "share": config.encoder_rate}
        groups = [drawing] if config.freeze_encoder else [drawing, coding]
        self.optimizer = torch.optim.Adam(groups, config.learning_rate, betas=(0.9, 0.99))
        self.D_optimizer = torch.optim.Adam(
            self.D.parameters(), config.learning_rate, betas=(0.0, 0.99)
        )
        self.half = torch.autocast(device.type, self.dtype, enabled=config.bf16)
        self.mapping_fitted = False
        """Whether it was fitted for good: it learns from the discriminator from then on."""
        self.images_seen = 0
        self.steps = 0
        self.sums: dict[str, Tensor] = {}
        self.unreported = 0

    def start_from(self, game: Path, encoder: Path) -> None:
        """Takes over trained networks instead of random ones.

        Args:
            game: folder of a finished training of the generator, alone or in an autoencoder; or
                a generator's file, which brings no discriminator.
            encoder: file of the encoder trained for it.

        Raises:
            EngineError: a file is missing, damaged or of another shape.
        """
        self.mapping_fitted = True
        trained = load_encoder(encoder)
        # The averaged generator is the better one, and the encoder was trained for it.
        states = [("G_ema", self.G), ("G_ema", self.G_ema), ("D", self.D)]
        if game.is_file():
            drawing = load_generator(game).state_dict()
            for generator in (self.G, self.G_ema):
                load_into(generator, drawing, game)
            states = []
        for name, module in states:
            path = game / f"{name}.state.safetensors"
            load_into(module, read_tensors(path)[1], path)
        for coder in (self.E, self.E_ema):
            load_into(coder, trained.state_dict(), encoder)

    def step(self, progress: float) -> None:
        """Learns from one batch; `progress` of the run, 0 to 1, sets the learning rate."""
        config = self.config
        real = jitter(draw_real(self.faces, config.batch_size))
        rate = config.learning_rate * learning_rate_factor(progress)
        for optimizer in (self.optimizer, self.D_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("share", 1.0)
        if progress < config.adversarial_from:
            losses = self._autoencode(real)
        else:
            if not self.mapping_fitted:
                self.fit_mapping()
                self.mapping_fitted = True
            losses, drawn = self._autoencode_against(real)
            self._discriminate(drawn)
        for average, current in ((self.G_ema, self.G), (self.E_ema, self.E)):
            follow(average, current, averaging_step(self.steps, config.ema_decay))
        self.images_seen += config.batch_size
        self.steps += 1
        self.unreported += 1
        for name, loss in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + loss.detach().float()

    def _encode(self, real: Tensor) -> tuple[Tensor, Tensor]:
        """Codes of faces (N, num_ws, w_dim), some of them common styles alone, and the mean
        squared size of the deltas."""
        self.E.train(not self.config.freeze_encoder)
        with self.half:
            common, deltas = (offset.float() for offset in self.E.offsets(real))
        kept = torch.rand(len(real), 1, 1, device=self.device) >= self.config.common_only
        return self.E.compose(common, deltas * kept), deltas.square().mean()

    def _compare(self, real: Tensor, drawn: Tensor, delta: Tensor) -> dict[str, Tensor]:
        with self.half:
            losses = reconstruction_losses(self.lens, real, drawn)
        return {**losses, "delta": delta}

    def _autoencode(self, real: Tensor) -> dict[str, Tensor]:
        """Teaches encoder and generator; returns the losses."""
        ws, delta = self._encode(real)
        losses = self._compare(real, self.G.synthesis(ws, "random", self.dtype), delta)
        self._update(weighted_sum(losses, self.config.weights))
        return losses

    def _autoencode_against(self, real: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """As `_autoencode`, with as many random styles beside the codes and with the
        discriminator's opinion of what is drawn from them; returns the losses and that.

        What is drawn from codes it does not see: it would rather have those sharp than alike.
        """
        config, n = self.config, len(real)
        ws, delta = self._encode(real)
        w = self.G.mapping(torch.randn(2 * n, config.generator.z_dim, device=self.device))
        sampled = mix_styles(w[:n], w[n:], config.generator.num_ws, _STYLE_MIXING)
        pictures = self.G.synthesis(torch.cat([ws, sampled]), "random", self.dtype)
        losses = self._compare(real, pictures[:n], delta)
        total = weighted_sum(losses, config.weights)
        losses["prior"] = sliced_wasserstein(w[:n], ws[:, 0].detach())
        self.D.requires_grad_(False)
        losses["adversarial"] = generator_loss(self.D(self.augment(pictures[n:]), self.dtype))
        self.D.requires_grad_(True)
        total = total + config.prior * losses["prior"]
        self._update(total + config.adversarial * losses["adversarial"])
        with torch.no_grad():
            self.G.mapping.w_avg.lerp_(w.detach().mean(dim=0), 0.01)
        return losses, pictures[n:].detach()

    def _update(self, total: Tensor) -> None:
        self.optimizer.zero_grad()
        torch.autograd.backward(total)
        self.optimizer.step()

    def _discriminate(self, drawn: Tensor) -> None:
        """Holds drawn faces against real ones as they are: what is jittered would be drawn so."""
        real = draw_real(self.faces, len(drawn))
        seen = [self.D(self.augment(x), self.dtype) for x in (real, drawn)]
        loss = discriminator_loss(seen[0], seen[1])
        if not self.config.projected and self.steps % self.config.r1_every == 0:
            weight = self.config.r1_gamma * self.config.r1_every
            loss = loss + weight * r1_penalty(lambda x: self.D(x, self.dtype), real)
        self.D_optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.D_optimizer.step()

    def fit_mapping(self) -> None:
        """Teaches the mapping to give styles with the mean and the covariance of the encoder's.

        By regression on the linear map that does so: matching two clouds of points of 128
        dimensions by their distance alone takes hundreds of times as many steps.
        """
        rows = torch.randperm(len(self.faces), device=self.device)[:_FIT_FACES]
        with torch.no_grad():
            batches = torch.split(from_uint8(self.faces[rows]), self.config.batch_size)
            styles = torch.cat([self.E_ema(batch)[:, 0] for batch in batches])
            mean, spread = styles.mean(dim=0), factor_of_covariance(styles)
        mapping, steps = self.G.mapping, self.config.prior_steps
        optimizer = torch.optim.Adam(mapping.parameters(), betas=(0.9, 0.99))
        for step in range(steps):
            rate = _FIT_LEARNING_RATE * learning_rate_factor(step / steps)
            optimizer.param_groups[0]["lr"] = rate
            z = torch.randn(_FIT_BATCH, self.config.generator.z_dim, device=self.device)
            target = mean + F.rms_norm(z, z.shape[1:]) @ spread[: z.shape[1]]
            optimizer.zero_grad()
            torch.autograd.backward(F.mse_loss(mapping(z), target))
            optimizer.step()
        mapping.w_avg.copy_(mean)
        self.G_ema.mapping.load_state_dict(mapping.state_dict())

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
