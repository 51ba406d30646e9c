from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from streamfer.geometry import FACE_TEMPLATE
from streamfer.models.inversion.descent import InversionConfig
from streamfer.models.inversion.inversion import Inverter
from streamfer.models.inversion.lens import Lens
from streamfer.models.inversion.portrait import PortraitLens, TemplateView, area_weights, gray_faces
from streamfer.models.inversion.refinement import lens_for
from streamfer.models.portrait_network import PortraitNetwork
from streamfer.models.published_encoder import CentredEncoder
from streamfer.models.storage import keep_generator, load_generator
from streamfer.models.style_encoder import Encoder4Editing, StyleEncoderConfig
from streamfer.models.stylegan2 import Generator, GeneratorConfig, from_uint8, to_pictures
from streamfer.models.vgg import FaceVGG, FaceVGGConfig
from streamfer.types import Detection, UInt8Array
from streamfer.vision.align import align_face
from streamfer.vision.portrait import align_portrait

COLOURED = GeneratorConfig(channels=(8, 8, 8, 4), img_channels=3, z_dim=8, w_dim=8)


def face_network() -> FaceVGG:
    torch.manual_seed(0)
    network = FaceVGG(FaceVGGConfig(width=0.05, input_size=32))
    network(torch.randint(0, 256, (8, 64, 64), dtype=torch.uint8))  # moves the statistics
    return network.eval()


def smooth_picture() -> UInt8Array:
    noise = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    return cv2.resize(noise, (300, 300), interpolation=cv2.INTER_CUBIC)


def template_face() -> Detection:
    side, corner = 120, np.array([90, 80])
    box = np.array([0.10, 0.06, 0.90, 0.96]) * side + [*corner, *corner]
    return Detection(
        box.astype(np.float32), 0.9, (FACE_TEMPLATE * side + corner).astype(np.float32)
    )


def test_areas_are_shared_out_completely() -> None:
    weights = area_weights(10.3, 128.4, 256)
    assert weights.shape == (64, 256)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(64))
    assert (weights[0, :10] == 0).all()
    assert weights[0, 10] == pytest.approx(0.7 / (128.4 / 64), rel=1e-4)


def test_the_view_of_a_portrait_is_our_own_crop() -> None:
    image, face = smooth_picture(), template_face()
    portrait = torch.from_numpy(align_portrait(image, face).image)[None]
    expected = align_face(image, face).image.astype(float)
    seen = gray_faces(portrait)[0].numpy()
    assert np.abs(seen - expected).mean() < 3
    through_view = (TemplateView()(from_uint8(portrait))[0, 0] + 1) * 127.5
    np.testing.assert_allclose(through_view, seen, atol=0.01)


def test_the_network_answers_for_the_face_in_the_portrait() -> None:
    network = face_network()
    encoder = Encoder4Editing(StyleEncoderConfig(num_ws=4, width=16)).eval()
    average = torch.randn(4, 128)
    served = PortraitNetwork(network, CentredEncoder(encoder, average)).eval()
    portraits = torch.randint(0, 256, (2, 256, 256, 3), dtype=torch.uint8)
    with torch.no_grad():
        ferplus, fer2013, latent = served(portraits)
        expected = network.probabilities(gray_faces(portraits))
        torch.testing.assert_close((ferplus, fer2013), expected, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(latent, encoder(from_uint8(portraits)) + average)


def test_lenses_of_gray_and_coloured_generators() -> None:
    gray = GeneratorConfig(channels=(8, 8), z_dim=8, w_dim=8, mapping_layers=2)
    assert isinstance(lens_for(Generator(gray), face_network()), Lens)
    lens = lens_for(Generator(COLOURED), face_network())
    assert isinstance(lens, PortraitLens)
    images = torch.randn(2, 3, 256, 256)
    for ours, expected in zip(lens(images), lens.lens(TemplateView()(images)), strict=True):
        torch.testing.assert_close(ours, expected)


def test_codes_of_coloured_pictures_are_found_at_a_smaller_size() -> None:
    torch.manual_seed(1)
    generator = Generator(COLOURED).freeze()
    ws = generator.styles(torch.randn(2, 8))
    large = generator.synthesis(ws)
    small = torch.nn.functional.avg_pool2d(large, 2)
    faces, start = to_pictures(small), ws + 0.3 * ws.std() * torch.randn(ws.shape)
    config = InversionConfig(steps=40, patience=40, learning_rate=0.06)
    lens = torch.nn.AvgPool2d(2)
    found = Inverter(generator, lambda x: [lens(x) + 1], config, lambda: 0.0).invert(faces, start)
    assert found.reconstruction.shape == faces.shape == (2, 16, 16, 3)
    assert (found.mse < 0.6 * found.mse_start).all()


def test_colours_survive_the_way_there_and_back() -> None:
    pictures = torch.randint(0, 256, (2, 4, 6, 3), dtype=torch.uint8)
    assert torch.equal(to_pictures(from_uint8(pictures)), pictures)


def test_a_generator_is_kept_to_the_last_bit(tmp_path: Path) -> None:
    generator = Generator(COLOURED).freeze()
    keep_generator(generator, tmp_path / "g.safetensors", {"source": "x"})
    kept = load_generator(tmp_path / "g.safetensors")
    assert kept.config == COLOURED
    for name, value in generator.state_dict().items():
        assert torch.equal(kept.state_dict()[name], value)
