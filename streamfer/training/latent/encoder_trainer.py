"""The encoder of a generator, and the step that teaches it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor

from streamfer.errors import ConfigError
from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.inversion.lens import Lens
from streamfer.models.stylegan2 import Generator, from_uint8, style_spread, to_uint8
from streamfer.training.latent.adversarial import mix_styles
from streamfer.training.latent.optimised_faces import OptimisedFaces
from streamfer.training.latent.real_faces import averaging_step, draw_real, follow, jitter
from streamfer.training.latent.reconstruction import (
    ReconstructionWeights,
    reconstruction_losses,
    weighted_sum,
)
from streamfer.training.runs.loop import learning_rate_factor


@dataclass(frozen=True, slots=True)
class EncoderTraining:
    """A recipe."""

    shape: EncoderConfig = field(default_factory=EncoderConfig)
    weights: ReconstructionWeights = field(default_factory=ReconstructionWeights)
    images: int = 3_000_000
    """Real faces shown in all."""
    max_seconds: float = 400.0
    """It stops, ready to be resumed, after this long."""
    batch_size: int = 128
    """Real faces per step."""
    generated: float = 1.0
    """Generated faces beside each real one."""
    learning_rate: float = 0.002
    """Of Adam; falls to 0 along a cosine."""
    style_mixing: float = 0.5
    ema_decay: float = 0.998
    bf16: bool = True
    """Whether the networks work in bfloat16."""
    tick_images: int = 200_000
    """Faces between two lines of metrics, sheets and states."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.generated < 0:
            raise ConfigError(f"--generated must be at least 0, not {self.generated:g}")


class EncoderTrainer:
    """The encoder, what it is held to, and its steps.

    Args:
        faces: (M, R, R) uint8 aligned faces, on the device that trains.
        generator: frozen, on that device.
        lens: frozen, on that device.
        config: the recipe.
        known: faces with optimised codes, a batch of which comes beside each; None for none.
        initial: an encoder to start from; None starts from random weights.
    """

    def __init__(
        self,
        faces: Tensor,
        generator: Generator,
        lens: Lens,
        config: EncoderTraining,
        known: OptimisedFaces | None = None,
        initial: Encoder | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self.faces = faces
        self.generator = generator
        self.lens = lens
        self.config = config
        self.device = faces.device
        self.dtype = torch.bfloat16 if config.bf16 else None
        self.half = torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16)
        self.spread = style_spread(generator)
        self.encoder = Encoder(config.shape).to(self.device)
        self.encoder.w_avg.copy_(generator.mapping.w_avg)
        if initial is not None:
            self.encoder.load_state_dict(initial.state_dict())
        self.known = known
        for module in (self.encoder, self.generator, self.lens):
            # CPU convolutions are a sixth faster so.
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.encoder).eval().requires_grad_(False)
        rate = config.learning_rate
        self.optimizer = torch.optim.Adam(self.encoder.parameters(), lr=rate, betas=(0.9, 0.99))
        self.modules = {"encoder": self.encoder, "average": self.average}
        self.optimizers = {"encoder": self.optimizer}
        self.images_seen, self._rounds = 0, 0
        self.sums: dict[str, Tensor] = {}

    def step(self, progress: float) -> None:
        """Learns from one batch; `progress` of the run, 0 to 1, sets the learning rate."""
        self.encoder.train()
        real = jitter(draw_real(self.faces, self.config.batch_size))
        known_ws, generated = self._generated_batch()
        optimised, codes = self._optimised_batch()
        with self.half:
            offsets = self.encoder.offsets(torch.cat([real, generated, optimised]))
        common, deltas = (offset.float() for offset in offsets)
        ws = self.encoder.compose(common, deltas)
        n, unknown = len(real), len(real) + len(generated)
        drawn = self.generator.synthesis(ws[:n], dtype=self.dtype)
        with self.half:
            losses = reconstruction_losses(self.lens, real, drawn)
        losses["delta"] = (deltas[:unknown] / self.spread).square().mean()
        if len(generated):
            losses["latent"] = ((ws[n:unknown] - known_ws) / self.spread).square().mean()
        if self.known is not None:
            losses["code"] = ((ws[unknown:] - codes) / self.spread).square().mean()
        self.optimizer.zero_grad()
        torch.autograd.backward(weighted_sum(losses, self.config.weights))
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * learning_rate_factor(progress)
        self.optimizer.step()
        updates = self.images_seen // self.config.batch_size
        follow(self.average, self.encoder, averaging_step(updates, self.config.ema_decay))
        self.images_seen += n
        self._rounds += 1
        for name, loss in losses.items():  # in float32: half precision loses small ones
            self.sums[name] = self.sums.get(name, 0.0) + loss.detach().float()

    @property
    def unreported(self) -> int:
        """Steps since the last call of `metrics`."""
        return self._rounds

    def metrics(self) -> dict[str, float]:
        """Means since the last call; waits for the device."""
        means = {name: total.item() / self._rounds for name, total in self.sums.items()}
        self.sums, self._rounds = {}, 0
        return {"images": self.images_seen, **means}

    @torch.no_grad()
    def pairs(self, count: int) -> Tensor:
        """(2 · count, R, R) uint8: faces, each followed by its reconstruction."""
        faces = self.faces[:count]
        drawn = self.generator.synthesis(self.average(from_uint8(faces)))
        both = torch.stack([faces, to_uint8(drawn[:, 0])], dim=1)
        return both.flatten(0, 1).cpu()

    def _optimised_batch(self) -> tuple[Tensor, Tensor]:
        """Faces as they are, for to others their codes don't belong, and the codes; none of either
        where there are no codes."""
        if self.known is None:
            side = self.faces.shape[1]
            return torch.empty(0, 1, side, side, device=self.device), torch.empty(0)
        crops, codes = self.known.crops, self.known.codes
        rows = torch.randint(len(crops), (self.config.batch_size,))
        return from_uint8(crops[rows].to(self.device)), codes[rows].to(self.device)

    @torch.no_grad()
    def _generated_batch(self) -> tuple[Tensor, Tensor]:
        config, shape = self.config, self.generator.config
        n = round(config.batch_size * config.generated)
        w = self.generator.mapping(torch.randn(2 * n, shape.z_dim, device=self.device))
        ws = mix_styles(w[:n], w[n:], shape.num_ws, config.style_mixing)
        return ws, self.generator.synthesis(ws, dtype=self.dtype).clamp(-1, 1)
