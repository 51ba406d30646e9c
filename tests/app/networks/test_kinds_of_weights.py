"""Every kind of classifier that `train` writes is served, and measured, like the shipped one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from streamfer.errors import EngineError
from streamfer.labels import LABELS
from streamfer.models.backbones.backbone import BackboneConfig
from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.fused import FusedHeads, FusedHeadsConfig
from streamfer.models.fused_file import save_fused_network
from streamfer.models.latent_per import LatentPER, LatentPERConfig, save_latent_per
from streamfer.models.served_classifier import load_served_classifier
from streamfer.models.vgg import FaceVGG, FaceVGGConfig, save_face_vgg
from tests.support.labelled_faces import write_tree
from tests.support.program import frame_records, record_lines, streamfer

KINDS = ("plain", "int8", "fused", "backbone", "backbone with codes")
SHAPE = EncoderConfig(channels=(4, 8, 8), blocks=(1, 1, 1), code_dim=64, num_ws=10, w_dim=8)
RUN = ("--no-display", "--max-frames=4", "--quiet", "--backend=onnxruntime", "--device=cpu")
TAUGHT = ("angry", "happy", "sad")


def save_weights(
    kind: str, path: Path, expressions: tuple[str, ...] = LABELS, hashes: bool = False
) -> Path:
    """Random weights of a kind."""
    torch.manual_seed(0)
    seen = np.ones((3, 2), np.uint64) if hashes else None
    if kind.startswith("backbone"):
        latent = "full" if kind.endswith("codes") else "none"
        shape = BackboneConfig("resnet18", width=0.03, input_size=32)
        config = LatentPERConfig(shape, latent, "fer2013", hidden=16, w_dim=8)
        network = LatentPER(config)
        network.expressions = expressions
        save_latent_per(network, Encoder(SHAPE) if latent == "full" else None, path, {}, seen)
        return path
    model = FaceVGG(FaceVGGConfig(width=0.05, input_size=32))
    model.expressions = expressions
    if kind == "fused":
        heads = FusedHeads(FusedHeadsConfig(model.num_features, num_ws=10, w_dim=8, hidden=(16, 8)))
        heads.trained, heads.expressions = ("fer2013",), expressions
        save_fused_network(model, Encoder(SHAPE), heads, path, {}, seen)
        return path
    save_face_vgg(model, path, None, "int8" if kind == "int8" else "float16", seen)
    return path


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", KINDS)
def test_it_runs(
    kind: str, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMFER_HOME", str(tmp_path / "home"))
    path = save_weights(kind, tmp_path / "own.safetensors", TAUGHT)
    records = tmp_path / "r.jsonl"
    arguments = ("run", "demo:", "--face-model", path, "--records", records)
    ended = streamfer(capfd, *arguments, *RUN)
    assert ended.code == 0, ended.err
    header = record_lines(records)[0]
    assert header["labels"] == list(LABELS)
    assert header["taught"] == list(TAUGHT)
    assert header["label_set"] == ("ferplus" if kind in ("plain", "int8") else "fer2013")
    faces = [face for frame in frame_records(records) for face in frame["faces"]]
    assert faces
    for face in faces:
        seen = [p for p, label in zip(face["probs"], LABELS, strict=True) if label in TAUGHT]
        assert sum(seen) == pytest.approx(1, abs=1e-3)
        assert len([p for p in face["probs"] if p == 0]) == 4
        assert face["emotion"] in TAUGHT
        assert face["latent"] == ("encoder" if kind == "fused" else None)
        assert face["trust"] is None
        assert face["expressiveness"] is None
        assert face["valence"] is not None
    probs = load_served_classifier(path).probabilities(
        np.random.default_rng(0).integers(0, 256, (2, 64, 64), np.uint8), header["label_set"]
    )
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-5)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["fused", "backbone with codes"])
def test_it_is_measured(
    kind: str, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [(f"{name}/{i}.png", LABELS.index(name)) for name in TAUGHT for i in range(3)]
    write_tree(tmp_path / "faces", files)
    path = save_weights(kind, tmp_path / "own.safetensors", TAUGHT, hashes=True)
    measured = tmp_path / "figures.json"
    arguments = ("eval", "classifier", "--data", tmp_path / "faces", "--weights", path)
    ended = streamfer(capfd, *arguments, "--json", measured)
    assert ended.code == 0, ended.err
    figures = json.loads(measured.read_text())
    assert (figures["n"], figures["labels"], figures["n_dedup"]) == (9, "fer2013", 9)
    ended = streamfer(capfd, *arguments, "--labels", "ferplus")
    assert ended.code == 2
    assert "--labels ferplus: own.safetensors was trained on fer2013" in ended.err


def test_events_wait_for_what_was_taught(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = save_weights("plain", tmp_path / "own.safetensors", TAUGHT)
    command = ("run", "demo:", "--face-model", path, *RUN)
    ended = streamfer(capfd, *command, "--event", "fright: fear > 0.8 for 2 s")
    assert ended.code == 2
    assert "own.safetensors was never taught fear; it knows angry, happy, sad" in ended.err


def test_other_files_are_no_classifiers(tmp_path: Path) -> None:
    path = save_weights("fused", tmp_path / "own.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(EngineError, match=r"own\.safetensors: cannot read the weights"):
        load_served_classifier(path)
