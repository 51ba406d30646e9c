"""Measures how steeply the loss of a search rises: `python -m streamfer.training.curvature`.

The loss is a sum of squares, of pixels and of the lens's features; its mean curvature at the
encoder's codes is estimated from the gradients of randomly weighted sums of what is squared
(Gauss-Newton, one sum for each face).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamfer.errors import ConfigError
from streamfer.evaluation.inverted import LatentModels, load_latent_models
from streamfer.models.inversion.curvature import Curvature, curvature_bytes, networks_digest
from streamfer.models.inversion.descent import LossWeights
from streamfer.models.inversion.optimisers import EPSILON
from streamfer.models.inversion.search import fitted
from streamfer.models.shipped import SHIPPED, WeightFiles, weights_sha256
from streamfer.models.stylegan2 import from_uint8, style_spread
from streamfer.training.runs.command import (
    ProgressLine,
    add_reading,
    config_from,
    pick_device,
    read_training,
    run_command,
)
from streamfer.training.vgg.card import commit_of_checkout
from streamfer.training.whole_file import whole_file, write_whole
from streamfer.types import UInt8Array

_BATCH = 32
_CARD = """# {name}: how steeply the loss of the search for a code rises

The mean curvature of the loss of generator and lens at the encoder's codes: its {axes} steepest
axes, along which a search that has little time takes Newton's steps
(`streamfer.models.inversion.curvature`). A mean over faces, from which none can be redrawn.

- SHA-256: `{sha256}`

Measured by `streamfer train curvature` on {faces:,} training faces, seed {seed}; code at commit
`{commit}`.
"""


@dataclass(frozen=True, slots=True)
class CurvatureFitting:
    """A recipe."""

    faces: int = 4096
    """Training faces that are looked at."""
    axes: int = 64
    """That are kept: the steepest."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("faces", "axes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name}: at least 1, got {getattr(self, name)}")


def squared_parts(
    image: Tensor,
    target: Tensor,
    features: Sequence[Tensor],
    targets: Sequence[Tensor],
    weights: LossWeights,
) -> Tensor:
    """(N, d) whose squares add up to the loss of a search without its pull.

    Args:
        image: (N, C, S, S) of −1…1, as drawn.
        target: the same: the faces.
        features: what the lens sees of the drawings.
        targets: what it sees of the faces.
        weights: of the loss.
    """
    pixels = (image - target).flatten(1)
    parts = [pixels * (weights.pixel / 4 / pixels.shape[1]) ** 0.5]
    for feature, own in zip(features, targets, strict=True):
        difference, known = (feature - own).flatten(1), own.flatten(1)
        mean_square = known.square().mean(dim=1, keepdim=True) + EPSILON
        share = weights.feature / len(targets) / known.shape[1]
        parts.append(difference * (share / mean_square).sqrt())
    return torch.cat(parts, dim=1)


def measure_curvature(
    models: LatentModels,
    crops: UInt8Array,
    config: CurvatureFitting,
    advance: Callable[[int], None] = lambda count: None,
) -> Curvature:
    """The mean curvature of the loss of searches for some faces.

    Args:
        models: the networks.
        crops: (n, S, S) uint8 aligned faces.
        config: the recipe.
        advance: told how many more faces are done.
    """
    generator, device = models.generator, models.device
    size = generator.config.num_ws * generator.config.w_dim
    spread, weights = style_spread(generator), LossWeights()
    random = torch.Generator().manual_seed(config.seed)
    total = np.zeros((size, size))
    for first in range(0, len(crops), _BATCH):
        target = from_uint8(torch.from_numpy(crops[first : first + _BATCH]).to(device))
        with torch.no_grad():
            start, targets = models.encoder(target), models.lens(target)
        offset = torch.zeros_like(start, requires_grad=True)
        image = fitted(generator.synthesis(start + offset * spread), target)
        parts = squared_parts(image, target, models.lens(image), targets, weights)
        signs = torch.randn(parts.shape, generator=random).to(device)
        (gradient,) = torch.autograd.grad((parts * signs).sum(), offset)
        flat = gradient.flatten(1).cpu().double().numpy()
        total += 2 * flat.T @ flat
        advance(len(target))
    return _steepest(total / len(crops), config.axes)


def _steepest(curvature: NDArray[np.float64], axes: int) -> Curvature:
    """The steepest axes of a (d, d) matrix."""
    values, vectors = np.linalg.eigh(curvature)
    kept, rest = values[-axes:][::-1], values[:-axes]
    return Curvature(
        axes=np.ascontiguousarray(vectors[:, -axes:].T[::-1], np.float32),
        values=np.maximum(kept, 0).astype(np.float32),
        rest=float(max(rest.mean(), 0)) if len(rest) else 0.0,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m streamfer.training.curvature",
        description="Measures how steeply the loss of the search for a code rises, with the"
        " networks of a folder.",
    )
    parser.add_argument("--data", type=Path, required=True, help="faces; labels are not used")
    add_reading(parser)
    parser.add_argument("--landmarks", type=Path, help="landmark cache (NPZ), made if missing")
    parser.add_argument(
        "--weights", type=Path, default=SHIPPED.folder, help="folder; default: the shipped weights"
    )
    parser.add_argument("--out", type=Path, required=True, help="file for the result")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto")
    default = CurvatureFitting()
    parser.add_argument("--faces", type=int, default=default.faces, help="to look at")
    parser.add_argument("--axes", type=int, default=default.axes, help="to keep")
    parser.add_argument("--seed", type=int, default=default.seed)
    return run_command(lambda: _fit(parser.parse_args(arguments)))


def _fit(options: argparse.Namespace) -> None:
    weights, config = WeightFiles(options.weights), config_from(options, CurvatureFitting)
    device = pick_device(options.device)
    models = load_latent_models(weights.generator, weights.encoder, weights.classifier, device)
    crops = read_training(options).crops
    rows = np.random.default_rng(config.seed).permutation(len(crops))[: config.faces]
    with ProgressLine(len(rows), "faces") as line:
        curvature = measure_curvature(models, crops[np.sort(rows)], config, line.advance)
    values = curvature.values
    print(
        f"curvature {values[0]:.3g} along the steepest axis, {values[-1]:.2g} along the last of"
        f" {len(values)}, {curvature.rest:.2g} along the others",
        file=sys.stderr,
    )
    networks = networks_digest(weights.generator, weights.classifier)
    with whole_file(options.out) as file:
        file.write(curvature_bytes(curvature, networks, asdict(config)))
    write_whole(options.out.with_suffix(".md"), card(options.out, config))


def card(path: Path, config: CurvatureFitting) -> str:
    """The card of a curvature, by whose SHA-256 damage is noticed."""
    return _CARD.format(
        name=path.stem, sha256=weights_sha256(path), **asdict(config), commit=commit_of_checkout()
    )


if __name__ == "__main__":
    sys.exit(main())
