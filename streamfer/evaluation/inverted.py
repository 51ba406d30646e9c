"""Faces encoded and refined, with what is lost and what expression is still read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from streamfer.errors import EngineError
from streamfer.evaluation.inverted_face import InvertedFace
from streamfer.labels import LABELS
from streamfer.models.inversion.descent import InversionConfig
from streamfer.models.inversion.inversion import InversionResult, Inverter
from streamfer.models.inversion.lens import Lens
from streamfer.models.inversion.portrait import PortraitLens, gray_faces
from streamfer.models.inversion.refinement import lens_for
from streamfer.models.published_encoder import EncoderKind, load_inversion_networks
from streamfer.models.storage import load_encoder, load_generator
from streamfer.models.stylegan2 import Generator, from_uint8, to_pictures
from streamfer.models.vgg import FaceVGG, load_face_vgg
from streamfer.types import UInt8Array

BATCH = 32
"""Faces of 64 px that are refined together; of larger pictures fewer, for the memory's sake."""
_BATCH_PIXELS = BATCH * 64 * 64


@dataclass(frozen=True, slots=True, eq=False)
class LatentModels:
    """The networks that inversion needs, frozen and on one device."""

    generator: Generator
    encoder: nn.Module
    """(N, C, S, S) of −1…1 → ws (N, num_ws, w_dim)."""
    network: FaceVGG
    lens: Lens | PortraitLens
    device: torch.device


def load_latent_models(
    generator: Path, encoder: Path, classifier: Path, device: torch.device
) -> LatentModels:
    """Reads the networks from their files.

    Raises:
        EngineError: a file is missing, damaged, of another kind, or does not fit the others.
    """
    drawn, code, network = (
        load_generator(generator),
        load_encoder(encoder),
        load_face_vgg(classifier),
    )
    expected = (drawn.config.num_ws, drawn.config.w_dim, drawn.config.resolution)
    found = (code.config.num_ws, code.config.w_dim, code.config.size)
    if expected != found:
        raise EngineError(
            f"{encoder.name}: layers, style size and picture size {found} do not fit those of"
            f" {generator.name}, {expected}"
        )
    return _on_device(drawn, code, network, device)


def load_portrait_models(
    checkpoint: Path, kind: EncoderKind, classifier: Path, device: torch.device
) -> LatentModels:
    """Reads a published encoder with its generator, and our own face network.

    Raises:
        EngineError: a file is missing, damaged or of another kind.
    """
    networks = load_inversion_networks(checkpoint, kind)
    generator, encoder = networks.generator.float(), networks.encoder.float()
    return _on_device(generator, encoder, load_face_vgg(classifier), device)


def _on_device(
    generator: Generator, encoder: nn.Module, network: FaceVGG, device: torch.device
) -> LatentModels:
    network = network.to(device).requires_grad_(False)
    lens = lens_for(generator, network).to(device)
    return LatentModels(generator.to(device), encoder.to(device), network, lens, device)


def invert_faces(
    models: LatentModels,
    crops: UInt8Array,
    names: Sequence[str],
    config: InversionConfig,
    clock: Callable[[], float] = time.perf_counter,
    on_batch: Callable[[int], None] = lambda count: None,
) -> list[InvertedFace]:
    """Encodes and refines faces.

    Args:
        models: the networks.
        crops: (N, S, S) or (N, S, S, 3) uint8 aligned faces, as the generator draws.
        names: of the faces.
        config: how long and how hard to refine.
        clock: seconds, monotonic.
        on_batch: told how many faces are done, batch by batch.
    """
    inverter = Inverter(models.generator, models.lens, config, clock)
    faces: list[InvertedFace] = []
    batch = max(_BATCH_PIXELS // models.generator.config.resolution**2, 1)
    for first in range(0, len(crops), batch):
        part = torch.from_numpy(crops[first : first + batch])
        with torch.no_grad():
            start = models.encoder(from_uint8(part.to(models.device)))
        found = inverter.invert(part, start)
        faces += _faces(models, names[first : first + batch], part, start, found)
        on_batch(len(part))
    return faces


def _faces(
    models: LatentModels,
    names: Sequence[str],
    crops: Tensor,
    start: Tensor,
    found: InversionResult,
) -> list[InvertedFace]:
    pictures = (crops, _drawn(models, start), _drawn(models, found.latent))
    emotions = [read_emotions(models.network, batch.to(models.device)) for batch in pictures]
    start = start.cpu()
    return [
        InvertedFace(
            name=name,
            input=crops[i].numpy(),
            encoder=pictures[1][i].numpy(),
            refined=pictures[2][i].numpy(),
            latent_encoder=start[i].numpy(),
            latent_refined=found.latent[i].numpy(),
            history=found.history[:, i].numpy(),
            loss_encoder=found.feature_loss_start[i].item(),
            loss_refined=found.feature_loss[i].item(),
            mse_encoder=found.mse_start[i].item(),
            mse_refined=found.mse[i].item(),
            steps=found.steps,
            seconds=found.seconds / len(names),
            emotion_input=emotions[0][i],
            emotion_encoder=emotions[1][i],
            emotion_refined=emotions[2][i],
        )
        for i, name in enumerate(names)
    ]


@torch.no_grad()
def _drawn(models: LatentModels, ws: Tensor) -> Tensor:
    """What the generator draws at its own size, uint8 on the CPU."""
    return to_pictures(models.generator.synthesis(ws.to(models.device))).cpu()


@torch.no_grad()
def read_emotions(network: FaceVGG, faces: Tensor) -> list[str]:
    """The label that the network's `ferplus` head reads from each uint8 face: gray crops [NHW] or
    RGB portraits [NHW3]."""
    ferplus, _ = network.probabilities(faces if faces.ndim == 3 else gray_faces(faces))
    return [LABELS[index] for index in ferplus.argmax(dim=1).tolist()]


def summarise(faces: Sequence[InvertedFace]) -> dict[str, float]:
    """Means and shares over faces: what refinement gains and what is still read.

    `loss_halved` and `mse_down_30` are the shares of the faces whose feature loss fell by at least
    half and whose MSE fell by at least 30 %.
    """
    columns = {
        key: np.array([getattr(face, key) for face in faces], dtype=np.float64)
        for key in (
            "loss_encoder",
            "loss_refined",
            "mse_encoder",
            "mse_refined",
            "steps",
            "seconds",
        )
    }
    means = {f"mean_{key}": float(values.mean()) for key, values in columns.items()}
    medians = {f"median_{k}": float(np.median(columns[k])) for k in ("mse_encoder", "mse_refined")}
    return {
        **means,
        **medians,
        "loss_halved": float((columns["loss_refined"] <= 0.5 * columns["loss_encoder"]).mean()),
        "mse_down_30": float((columns["mse_refined"] <= 0.7 * columns["mse_encoder"]).mean()),
        "agreement_encoder": _share(f.emotion_encoder == f.emotion_input for f in faces),
        "agreement_refined": _share(f.emotion_refined == f.emotion_input for f in faces),
    }


def _share(outcomes: Iterable[bool]) -> float:
    return float(np.mean(list(outcomes)))
