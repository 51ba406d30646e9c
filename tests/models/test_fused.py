"""The fused network: parts, mask, files and the exported form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from streamfer.errors import EngineError
from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.fused import (
    OUTPUTS,
    FusedHeads,
    FusedHeadsConfig,
    FusedNetwork,
    export_fused,
    folded_encoder,
    load_fused,
    save_fused_heads,
    threshold_mask,
)
from streamfer.models.storage import save_encoder
from streamfer.models.stylegan2 import from_uint8
from streamfer.models.vgg import FaceVGG, FaceVGGConfig, save_face_vgg

ENCODER = EncoderConfig(channels=(8, 8, 8), blocks=(1, 1, 1), code_dim=64, num_ws=6, w_dim=8)


def random_faces(count: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (count, 64, 64), dtype=torch.uint8, generator=random)


@pytest.fixture
def parts() -> tuple[FaceVGG, Encoder, FusedHeads]:
    torch.manual_seed(0)
    network = FaceVGG(FaceVGGConfig(width=0.05, input_size=32))
    encoder = Encoder(ENCODER)
    for layer in (encoder.common, encoder.deltas):
        torch.nn.init.normal_(layer.weight, 0.0, 0.3)
    faces = random_faces(16)
    network(faces)  # moves the running statistics
    encoder(from_uint8(faces))
    config = FusedHeadsConfig(network.num_features, num_ws=6, w_dim=8, hidden=(16, 8))
    return network.eval(), encoder.eval(), FusedHeads(config).eval()


def test_outputs_are_those_of_the_parts(parts: tuple[FaceVGG, Encoder, FusedHeads]) -> None:
    network, encoder, heads = parts
    heads.temperature.copy_(torch.tensor([2.0, 0.5]))
    faces = random_faces(3)
    ferplus, fer2013, latent, features = FusedNetwork(*parts)(faces)
    torch.testing.assert_close(latent, encoder(from_uint8(faces)), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(features, network.features(faces), rtol=1e-3, atol=1e-4)
    logits = heads(features, latent)
    torch.testing.assert_close(ferplus, (logits[0] / 2).softmax(dim=1))
    torch.testing.assert_close(fer2013, (logits[1] * 2).softmax(dim=1))


def test_folding_leaves_no_normalisation(parts: tuple[FaceVGG, Encoder, FusedHeads]) -> None:
    folded = folded_encoder(parts[1])
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    images = from_uint8(random_faces(2))
    torch.testing.assert_close(folded(images), parts[1](images), rtol=1e-3, atol=1e-4)


def test_masked_indices_do_not_matter(parts: tuple[FaceVGG, Encoder, FusedHeads]) -> None:
    heads = parts[2]
    heads.mask.zero_()
    heads.mask[:8] = 1  # the first layer only
    features, ws = torch.randn(2, heads.config.num_features), torch.randn(2, 6, 8)
    before = heads(features, ws)[0]
    ws[:, 1:] += 1
    torch.testing.assert_close(heads(features, ws)[0], before)
    ws[:, 0] += 1
    assert not torch.allclose(heads(features, ws)[0], before)


def test_without_the_latent_only_features_matter() -> None:
    config = FusedHeadsConfig(5, num_ws=6, w_dim=8, hidden=(16, 8), use_latent=False)
    heads = FusedHeads(config).eval()
    features = torch.randn(2, 5)
    answers = [heads(features, torch.randn(2, 6, 8))[0] for _ in range(2)]
    torch.testing.assert_close(answers[0], answers[1])
    assert heads.head_ferplus.in_features == 5


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [(0.0, [0.0, 0.5, 1.0, 3.0]), (0.5, [0.0, 0.5, 1.0, 3.0]), (1.5, [0.0, 0.0, 0.0, 3.0])],
)
def test_thresholded_relu(threshold: float, expected: list[float]) -> None:
    scores = torch.tensor([-1.0, 0.5, 1.0, 3.0])
    assert threshold_mask(scores, threshold).tolist() == expected


def test_it_comes_back_from_its_three_files(
    tmp_path: Path, parts: tuple[FaceVGG, Encoder, FusedHeads]
) -> None:
    network, encoder, heads = parts
    save_face_vgg(network, tmp_path / "vgg.safetensors")
    save_encoder(encoder, tmp_path / "encoder.safetensors", {})
    save_fused_heads(heads, tmp_path / "heads.safetensors", {})
    loaded = load_fused(*(tmp_path / f"{n}.safetensors" for n in ("vgg", "encoder", "heads")))
    faces = random_faces(2)
    for actual, expected in zip(loaded(faces), FusedNetwork(*parts)(faces), strict=True):
        torch.testing.assert_close(actual, expected, rtol=0.03, atol=0.03)


def test_parts_that_do_not_fit_are_named(
    tmp_path: Path, parts: tuple[FaceVGG, Encoder, FusedHeads]
) -> None:
    network, encoder, _ = parts
    save_face_vgg(network, tmp_path / "vgg.safetensors")
    save_encoder(encoder, tmp_path / "encoder.safetensors", {})
    other = FusedHeads(FusedHeadsConfig(network.num_features + 1, num_ws=6, w_dim=8))
    save_fused_heads(other, tmp_path / "heads.safetensors", {})
    with pytest.raises(EngineError, match=r"heads\.safetensors: made for .* vgg\.safetensors"):
        load_fused(*(tmp_path / f"{n}.safetensors" for n in ("vgg", "encoder", "heads")))


def test_exported_it_answers_the_same(parts: tuple[FaceVGG, Encoder, FusedHeads]) -> None:
    fused = FusedNetwork(*parts).eval()
    model = export_fused(fused)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == list(OUTPUTS)
    for count in (1, 3):
        faces = random_faces(count)
        answers = session.run(list(OUTPUTS), {"faces": faces.numpy()})
        for answer, expected in zip(answers, fused(faces), strict=True):
            np.testing.assert_allclose(answer, expected.detach(), rtol=1e-3, atol=1e-4)
