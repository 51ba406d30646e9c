"""StyleGAN2's game on aligned faces: the networks, their optimisers and the steps.

Non-saturating loss, lazy R1, optional path-length regularisation, an average of the weights, and
adaptive augmentation (Karras et al. 2020, both papers). All random numbers are drawn on the device
and no step waits for the host, so that on a GPU a whole step can be recorded once and replayed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from streamfer.models.inversion.lens import Lens
from streamfer.models.inversion.replay import replayed
from streamfer.models.stylegan2 import Generator, GeneratorConfig, to_uint8
from streamfer.training.latent.ada import AdaptiveAugment
from streamfer.training.latent.adversarial import (
    discriminator_loss,
    generator_loss,
    mix_styles,
    path_length_penalty,
    r1_penalty,
)
from streamfer.training.latent.discriminator import Discriminator
from streamfer.training.latent.projected import DifferentiableAugment, ProjectedDiscriminator
from streamfer.training.latent.real_faces import draw_real, follow

_TUNE_EVERY = 4
"""Steps between two changes of the augmentation's probability."""
_W_AVG_DECAY = 0.998


@dataclass(frozen=True, slots=True)
class GeneratorTraining:
    """A recipe."""

    shape: GeneratorConfig = field(default_factory=GeneratorConfig)
    projected: bool = False
    """A discriminator that looks through a frozen face network (`ProjectedDiscriminator`), with
    differentiable augmentation, without R1."""
    discriminator_channels: tuple[int, ...] = (256, 256, 128, 64, 32)
    images: int = 4_000_000
    """Real pictures shown to the discriminator in all."""
    max_seconds: float = 480.0
    """It stops, ready to be resumed, after this long."""
    batch_size: int = 256
    learning_rate: float = 0.0025
    r1_gamma: float = 0.05
    r1_every: int = 16
    """Steps between two R1 steps (lazy regularisation)."""
    path_length_weight: float = 0.0
    """2 in the paper; 0 leaves it out, which is faster."""
    path_length_every: int = 4
    style_mixing: float = 0.9
    ema_images: int = 20_000
    """Half-life of the averaged weights, in pictures."""
    ema_rampup: float = 0.05
    """The half-life is at most this share of the pictures seen."""
    ada_target: float = 0.6
    ada_images: int = 200_000
    """Pictures in which the augmentation's probability could go from 0 to 1."""
    bf16: bool = True
    cuda_graphs: bool = False
    """Records each step once and replays it; CUDA only."""
    tick_images: int = 200_000
    """Pictures between two lines of metrics, sheets and states."""
    seed: int = 0


class GeneratorTrainer:
    """The networks, their optimisers and the steps of the game.

    Args:
        faces: (M, R, R) uint8 aligned faces, on the device that trains.
        config: the recipe.
        lens: frozen, on that device, for a projected discriminator.
        initial: a generator to start from; None starts from random weights.
    """

    def __init__(
        self,
        faces: Tensor,
        config: GeneratorTraining,
        lens: Lens | None = None,
        initial: Generator | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        device = faces.device
        self.faces = faces
        self.config = config
        self.device = device
        self.dtype = torch.bfloat16 if config.bf16 else None
        self.G = Generator(config.shape).to(device)
        if initial is not None:
            self.G.load_state_dict(initial.state_dict())
        self.adaptive = AdaptiveAugment(config.ada_target, config.ada_images).to(device)
        self.D: nn.Module
        self.augment: nn.Module
        if config.projected:
            assert lens is not None
            self.D = ProjectedDiscriminator(lens, config.shape.resolution)
            self.augment = DifferentiableAugment()
        else:
            channels = config.discriminator_channels
            self.D = Discriminator(channels, config.shape.img_channels).to(device)
            self.augment = self.adaptive
        if device.type == "cuda":
            for parameter in (*self.G.parameters(), *self.D.parameters()):
                if parameter.ndim == 4:
                    parameter.data = parameter.data.to(memory_format=torch.channels_last)
        self.G_ema = copy.deepcopy(self.G).requires_grad_(False)
        self.G_optimizer = self._optimizer(
            self.G, config.path_length_every if config.path_length_weight else None
        )
        self.D_optimizer = self._optimizer(self.D, config.r1_every)
        self.mean_length = torch.zeros((), device=device)
        self.ema_decay = torch.zeros((), device=device)
        self.sums = {name: torch.zeros((), device=device) for name in ("loss_G", "loss_D", "r1")}
        self.images_seen = 0
        self.steps = 0
        self._reported = 0
        record = replayed if config.cuda_graphs else _as_is
        self._discriminator = record(self.discriminator_step)
        self._generator = record(self.generator_step)
        self._r1 = record(self.r1_step)
        self._path_length = record(self.path_length_step)
        self._average = record(self.average_step)

    def _optimizer(self, module: torch.nn.Module, lazy_every: int | None) -> torch.optim.Adam:
        # Lazy regularisation adds a step in every n: scaled so that Adam moves as far as without.
        ratio = lazy_every / (lazy_every + 1) if lazy_every else 1.0
        return torch.optim.Adam(
            module.parameters(),
            lr=self.config.learning_rate * ratio,
            betas=(0.0, 0.99**ratio),
            eps=1e-8,
            capturable=self.config.cuda_graphs,
        )

    def step(self) -> None:
        """Plays one round: every network once, regularisation where it is due."""
        config = self.config
        self._discriminator()
        if not config.projected and self.steps % config.r1_every == 0:
            self._r1()
        self._generator()
        if config.path_length_weight and self.steps % config.path_length_every == 0:
            self._path_length()
        self.steps += 1
        self.images_seen += config.batch_size
        half_life = min(config.ema_images, self.images_seen * config.ema_rampup)
        self.ema_decay.fill_(0.5 ** (config.batch_size / max(half_life, 1e-8)))
        self._average()
        if self.steps % _TUNE_EVERY == 0:
            self.adaptive.tune()

    def discriminator_step(self) -> None:
        """Teaches D to tell real from generated."""
        real = draw_real(self.faces, self.config.batch_size)
        with torch.no_grad():
            fake = self.G.synthesis(self._styles(), "random", self.dtype)
        self.D_optimizer.zero_grad()
        fake_logits = self.D(self.augment(fake), self.dtype)
        real_logits = self.D(self.augment(real), self.dtype)
        loss = discriminator_loss(real_logits, fake_logits)
        torch.autograd.backward(loss)
        self.D_optimizer.step()
        if not self.config.projected:
            self.adaptive.observe(real_logits)
        self.sums["loss_D"] += loss.detach()

    def generator_step(self) -> None:
        """Teaches G to be taken for real."""
        ws = self._styles()
        fake = self.G.synthesis(ws, "random", self.dtype)
        self.G_optimizer.zero_grad()
        self.D.requires_grad_(False)
        loss = generator_loss(self.D(self.augment(fake), self.dtype))
        torch.autograd.backward(loss)
        self.D.requires_grad_(True)
        self.G_optimizer.step()
        with torch.no_grad():
            self.G.mapping.w_avg.lerp_(ws.detach()[:, 0].mean(dim=0), 1 - _W_AVG_DECAY)
        self.sums["loss_G"] += loss.detach()

    def r1_step(self) -> None:
        """Keeps D smooth at real pictures."""
        self.D_optimizer.zero_grad()
        real = self.augment(draw_real(self.faces, self.config.batch_size))
        penalty = r1_penalty(lambda x: self.D(x, self.dtype), real)
        torch.autograd.backward(penalty * (self.config.r1_gamma * self.config.r1_every))
        self.D_optimizer.step()
        self.sums["r1"] += penalty.detach()

    def path_length_step(self) -> None:
        """Keeps steps in W equally long in the picture."""
        self.G_optimizer.zero_grad()
        ws = self._styles(max(self.config.batch_size // 2, 1))
        images = self.G.synthesis(ws, "random", self.dtype)
        penalty = path_length_penalty(images, ws, self.mean_length)
        weight = self.config.path_length_weight * self.config.path_length_every
        torch.autograd.backward(penalty * weight)
        self.G_optimizer.step()

    def average_step(self) -> None:
        """Moves the averaged generator towards the current one."""
        follow(self.G_ema, self.G, 1 - self.ema_decay)
        self.G_ema.mapping.w_avg.copy_(self.G.mapping.w_avg)

    @property
    def unreported(self) -> int:
        """Steps since the last call of `metrics`."""
        return self.steps - self._reported

    def metrics(self) -> dict[str, float]:
        """Means since the last call; waits for the device."""
        rounds = max(self.unreported, 1)
        self._reported = self.steps
        means = {name: total.item() / rounds for name, total in self.sums.items()}
        means["r1"] *= self.config.r1_every
        for total in self.sums.values():
            total.zero_()
        return {"images": self.images_seen, **means, "ada_p": self.adaptive.p.item()}

    @torch.no_grad()
    def samples(self, count: int, truncation_psi: float) -> Tensor:
        """(count, R, R) uint8 pictures of the averaged generator, the same codes every time."""
        random = torch.Generator().manual_seed(1)
        z = torch.randn(count, self.config.shape.z_dim, generator=random).to(self.device)
        return to_uint8(self.G_ema(z, truncation_psi)[:, 0]).cpu()

    def _styles(self, n: int | None = None) -> Tensor:
        shape, n = self.config.shape, n or self.config.batch_size
        w = self.G.mapping(torch.randn(2 * n, shape.z_dim, device=self.device))
        return mix_styles(w[:n], w[n:], shape.num_ws, self.config.style_mixing)

    def go_on(self, images: int, steps: int, mean_length: float) -> None:
        """Counts on from a run whose networks and optimisers were taken up.

        Args:
            images: shown in it.
            steps: taken in it, all of which it has reported.
            mean_length: of paths, where it ended.
        """
        self.images_seen, self.steps, self._reported = images, steps, steps
        self.mean_length.fill_(mean_length)

    def modules(self) -> dict[str, torch.nn.Module]:
        """What a state holds."""
        return {"G": self.G, "G_ema": self.G_ema, "D": self.D, "augment": self.adaptive}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers, by network."""
        return {"G": self.G_optimizer, "D": self.D_optimizer}


def _as_is(step: Callable[[], None]) -> Callable[[], None]:
    return step
