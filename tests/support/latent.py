"""Small latent networks that fit each other."""

from __future__ import annotations

from pathlib import Path

import torch

from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.storage import save_encoder, save_generator
from streamfer.models.stylegan2 import Generator, GeneratorConfig
from streamfer.models.vgg import FaceVGG, FaceVGGConfig, save_face_vgg


def save_latent_networks(folder: Path) -> dict[str, Path]:
    """Writes random networks at 64 px; returns their files by kind."""
    torch.manual_seed(0)
    generator = Generator(
        GeneratorConfig(channels=(8, 8, 8, 4, 4), z_dim=8, w_dim=8, mapping_layers=2)
    )
    encoder = Encoder(
        EncoderConfig(channels=(4, 8, 8), blocks=(1, 1, 1), code_dim=64, num_ws=10, w_dim=8)
    )
    network = FaceVGG(FaceVGGConfig(width=0.05, input_size=32))
    network(torch.randint(0, 256, (8, 64, 64), dtype=torch.uint8))  # moves the statistics
    files = {n: folder / f"{n}.safetensors" for n in ("generator", "encoder", "classifier")}
    save_generator(generator, files["generator"], {})
    save_encoder(encoder, files["encoder"], {})
    save_face_vgg(network, files["classifier"])
    return files
