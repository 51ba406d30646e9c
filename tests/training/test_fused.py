"""Heads on frozen networks: the latent helps where it knows more, and only there."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from streamfer.app.networks.own_weights import read_own_weights
from streamfer.evaluation.duplicates import hash_pictures
from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.fused import FusedHeads, FusedHeadsConfig, load_fused
from streamfer.models.fused_file import load_fused_network
from streamfer.models.storage import save_encoder
from streamfer.models.taught import Taught
from streamfer.models.vgg import FaceVGG, FaceVGGConfig, read_training_hashes, save_face_vgg
from streamfer.training.faces.data import NO_LABEL, LabelledFaces, majority_class
from streamfer.training.faces.landmarks import LandmarkCache, align_pictures, picture_key
from streamfer.training.fused import main, train_fused
from streamfer.training.fused_heads import (
    Exam,
    FeatureBank,
    FusedTraining,
    calibrate,
    compare_heads,
    train_heads,
)
from tests.support.labelled_faces import write_tree
from tests.support.latent import save_latent_networks

QUICK = FusedTraining(epochs=30, batch_size=64, learning_rate=0.01, weight_decay=0.0, dropout=0.0)
SHAPE = FusedHeadsConfig(num_features=4, num_ws=2, w_dim=4, hidden=(16, 8), dropout=0.0)


def known_faces(seed: int) -> tuple[FeatureBank, Exam]:
    """Features say whether the class is below 3; only the latent says which one it is."""
    random = torch.Generator().manual_seed(seed)
    classes = torch.randint(7, (512,), generator=random)
    features = torch.randn(512, 4, generator=random) * 0.1
    features[:, 0] += (classes < 3).float()
    ws = torch.randn(512, 2, 4, generator=random) * 0.1
    ws[:, 0, 0] += classes.float()
    target = torch.eye(7)[classes]
    bank = FeatureBank(features.half(), ws.half(), (target, target))
    return bank, Exam(features, ws, (classes, classes))


def trained(use_latent: bool) -> FusedHeads:
    torch.manual_seed(0)
    heads = FusedHeads(dataclasses.replace(SHAPE, use_latent=use_latent))
    return train_heads(known_faces(0)[0], heads, QUICK)


def test_the_latent_helps_where_it_knows_more() -> None:
    comparison = compare_heads(trained(False), trained(True), known_faces(1)[1])
    for figures in comparison.values():
        assert figures.n == 512
        assert figures.accuracy_a < 0.6
        assert figures.accuracy_b > 0.75
        assert figures.only_b > figures.only_a
        assert figures.p_value < 1e-6


def test_unknown_classes_are_left_out() -> None:
    exam = known_faces(1)[1]
    exam.classes[0][:500] = NO_LABEL
    comparison = compare_heads(trained(False), trained(True), exam)
    assert (comparison["ferplus"].n, comparison["fer2013"].n) == (12, 12)
    exam = dataclasses.replace(exam, classes=(exam.classes[0], known_faces(1)[1].classes[1]))
    comparison = compare_heads(trained(False), trained(True), exam)
    assert (comparison["ferplus"].n, comparison["fer2013"].n) == (12, 512)


def test_calibration_follows_how_often_the_heads_are_right() -> None:
    heads, exam = trained(True), known_faces(1)[1]
    guesses = torch.randint(7, (512,), generator=torch.Generator().manual_seed(2))
    calibrate(heads, dataclasses.replace(exam, classes=(exam.classes[0], guesses)))
    surer, doubtful = heads.temperature.tolist()
    assert surer < 1 < doubtful


@pytest.fixture
def faces() -> LabelledFaces:
    rng = np.random.default_rng(0)
    votes = np.zeros((300, 10), np.float32)
    votes[np.arange(300), rng.integers(0, 7, 300)] = 10
    pictures = tuple(rng.integers(0, 256, (48, 48), dtype=np.uint8) for _ in range(300))
    names = tuple(str(i) for i in range(300))
    return LabelledFaces(pictures, rng.integers(0, 7, 300), votes, names)


def test_it_leaves_heads_that_fit_their_networks(tmp_path: Path, faces: LabelledFaces) -> None:
    torch.manual_seed(0)
    network = FaceVGG(FaceVGGConfig(width=0.05)).eval()
    shape = EncoderConfig(channels=(8, 8, 8), blocks=(1, 1, 1), code_dim=64, num_ws=6, w_dim=8)
    encoder = Encoder(shape).eval()
    torch.nn.init.normal_(encoder.common.weight)
    cache = LandmarkCache({picture_key(picture): None for picture in faces.pictures})
    config = FusedTraining(views=1, epochs=1, workers=0)
    counted: list[int] = []
    comparison = train_fused(
        network,
        encoder,
        faces,
        faces.subset(range(20)),
        cache,
        config,
        torch.device("cpu"),
        tmp_path,
        counted.append,
        hash_pictures(faces.pictures),
    )
    written = json.loads((tmp_path / "comparison.json").read_text())
    assert written.keys() == comparison.keys() == {"photo", "sketch"}
    assert written["sketch"]["fer2013"] == dataclasses.asdict(comparison["sketch"]["fer2013"])
    assert comparison["sketch"]["fer2013"].n == 20
    assert sum(counted) == 256
    save_face_vgg(network, tmp_path / "vgg.safetensors")
    save_encoder(encoder, tmp_path / "encoder.safetensors", {})
    names = ("vgg", "encoder", "fused_heads")
    fused = load_fused(*(tmp_path / f"{name}.safetensors" for name in names))
    assert fused.heads.spread != 1
    probs, *_ = fused(torch.zeros(2, 64, 64, dtype=torch.uint8))
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(2))
    whole = load_fused_network(tmp_path / "fused_vgg19.safetensors")
    crops = torch.arange(2 * 64 * 64).reshape(2, 64, 64).to(torch.uint8)
    for own, together in zip(whole(crops), fused(crops), strict=True):
        torch.testing.assert_close(own, together)
    hashes = read_training_hashes(tmp_path / "fused_vgg19.safetensors")
    assert hashes is not None
    assert len(hashes) == 300
    plain = load_fused(*(tmp_path / f"{name}.safetensors" for name in (*names[:2], "plain_heads")))
    assert not plain.heads.config.use_latent


def test_training_goes_on_from_the_network_s_own_heads(
    tmp_path: Path, faces: LabelledFaces
) -> None:
    torch.manual_seed(0)
    network = FaceVGG(FaceVGGConfig(width=0.05)).eval()
    shape = EncoderConfig(channels=(8, 8, 8), blocks=(1, 1, 1), code_dim=64, num_ws=6, w_dim=8)
    cache = LandmarkCache({picture_key(picture): None for picture in faces.pictures})
    untrained = FusedTraining(views=1, epochs=0, workers=0)
    cpu = torch.device("cpu")
    comparison = train_fused(
        network, Encoder(shape).eval(), faces, faces, cache, untrained, cpu, tmp_path
    )
    crops = align_pictures(faces.pictures, cache)
    logits, _ = network(torch.from_numpy(crops))
    right = (logits.argmax(dim=1).numpy() == majority_class(faces.votes)).mean()
    for accuracy in ("accuracy_a", "accuracy_b"):
        assert getattr(comparison["photo"]["ferplus"], accuracy) == pytest.approx(right, abs=0.005)


def test_a_folder_of_one_s_own_pictures_makes_a_file_that_says_what_it_knows(
    tmp_path: Path,
) -> None:
    encoder = save_latent_networks(tmp_path)["encoder"]
    network = FaceVGG(FaceVGGConfig(width=0.05))
    network.expressions = ("happy", "sad")
    save_face_vgg(network, tmp_path / "face.safetensors")
    files = [(f"{name}/{i}.png", n) for n, name in ((0, "angry"), (3, "happy")) for i in range(6)]
    tree = write_tree(tmp_path / "tree", files)
    out = tmp_path / "out"
    options = ["--classifier", str(tmp_path / "face.safetensors"), "--encoder", str(encoder)]
    options += ["--views", "1", "--epochs", "1", "--workers", "0", "--device", "cpu"]
    assert main(["--data", str(tree), "--out", str(out), *options]) == 0
    own = read_own_weights(out / "fused_vgg19.safetensors")
    assert own.codes
    assert own.taught == Taught(("fer2013",), ("angry", "happy", "sad"))
