"""Small latent networks that fit each other."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.fused import FusedHeads, FusedHeadsConfig, save_fused_heads
from streamfer.models.shipped import WeightFiles
from streamfer.models.storage import save_encoder, save_generator
from streamfer.models.structures import STEP, TARGET
from streamfer.models.stylegan2 import Generator, GeneratorConfig
from streamfer.models.vgg import FaceVGG, FaceVGGConfig, save_face_vgg
from streamfer.training.structures import write_structures


def save_latent_networks(folder: Path) -> dict[str, Path]:
    """Writes random networks at 64 px; returns their files by kind."""
    files = WeightFiles(folder)
    torch.manual_seed(0)
    generator = Generator(
        GeneratorConfig(channels=(8, 8, 8, 4, 4), z_dim=8, w_dim=8, mapping_layers=2)
    )
    encoder = Encoder(
        EncoderConfig(channels=(4, 8, 8), blocks=(1, 1, 1), code_dim=64, num_ws=10, w_dim=8)
    )
    save_generator(generator, files.generator, {})
    save_encoder(encoder, files.encoder, {})
    save_face_vgg(_face_network(), files.classifier)
    return {
        "generator": files.generator,
        "encoder": files.encoder,
        "classifier": files.classifier,
    }


def save_all_networks(folder: Path) -> WeightFiles:
    """Writes random networks of every kind under the names of the shipped ones."""
    save_latent_networks(folder)
    files = WeightFiles(folder)
    shape = FusedHeadsConfig(_face_network().num_features, num_ws=10, w_dim=8, hidden=(16, 8))
    save_fused_heads(FusedHeads(shape), files.fused_heads, {})
    return files


def save_structures(folder: Path) -> None:
    """Writes such networks with the ONNX structures that refinement takes."""
    write_structures((TARGET, STEP), save_latent_networks(folder), folder)


def lay_structures(structures: Path, folder: Path) -> None:
    """Copies them to such networks, which torch need not export then."""
    for path in structures.glob("*.onnx"):
        shutil.copy(path, folder)


def _face_network() -> FaceVGG:
    network = FaceVGG(FaceVGGConfig(width=0.05, input_size=32))
    network(torch.randint(0, 256, (8, 64, 64), dtype=torch.uint8))  # moves the statistics
    return network


def write_card(weights: Path, sha256: str) -> None:
    """Writes a card that says which file it describes."""
    weights.with_suffix(".md").write_text(f"# Weights\n\n- SHA-256: `{sha256}`\n")
