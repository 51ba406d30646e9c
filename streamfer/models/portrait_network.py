"""The served network of portraits: a published encoder of 256 px beside our own face network."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from streamfer.models.inversion.portrait import TemplateView
from streamfer.models.onnx_export import export_onnx
from streamfer.models.published_encoder import CentredEncoder, EncoderKind, load_inversion_networks
from streamfer.models.stylegan2 import from_uint8
from streamfer.models.vgg import FaceVGG, folded, load_face_vgg
from streamfer.vision.portrait import PORTRAIT_SIZE


class PortraitNetwork(nn.Module):
    """Portraits in, probabilities and code out, as the engines run it.

    Args:
        network: our face network.
        encoder: a published one.
    """

    def __init__(self, network: FaceVGG, encoder: CentredEncoder) -> None:
        super().__init__()
        self.view = TemplateView()
        self.network = folded(network)
        self.encoder = encoder

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """uint8 RGB portraits (N, 256, 256, 3) → `probs_ferplus` and `probs_fer2013` (N, 7),
        `latent` (N, num_ws, w_dim), all float32."""
        images = from_uint8(faces)
        ferplus, fer2013 = self.network.probabilities((self.view(images)[:, 0] + 1) * 127.5)
        return ferplus, fer2013, self.encoder(images)


def load_portrait_network(checkpoint: Path, kind: EncoderKind, classifier: Path) -> PortraitNetwork:
    """Puts the served network together.

    Raises:
        EngineError: a file is missing, damaged or of another kind.
    """
    encoder = load_inversion_networks(checkpoint, kind).encoder
    network = PortraitNetwork(load_face_vgg(classifier), encoder)
    return network.float().eval().requires_grad_(False)


def export_portrait(network: PortraitNetwork) -> bytes:
    """The served network as an ONNX model.

    Input `faces`: uint8 (N, 256, 256, 3) RGB portraits. Outputs `probs_ferplus`, `probs_fer2013`
    and `latent`.
    """
    example = torch.zeros(2, PORTRAIT_SIZE, PORTRAIT_SIZE, 3, dtype=torch.uint8)
    names = ["probs_ferplus", "probs_fer2013", "latent"]
    return export_onnx(network, [example], input_names=["faces"], output_names=names)
