from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from streamfer.evaluation.fused import main
from streamfer.models.fused import FusedHeads, load_fused, save_fused_heads
from streamfer.models.vgg import load_face_vgg
from streamfer.training.faces.landmarks import LandmarkCache, picture_key
from tests.support.labelled_faces import drawn_set, write_parquet
from tests.support.latent import save_all_networks


def test_fused_heads_are_held_against_the_trunk_s_own_and_against_their_equals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = save_all_networks(tmp_path)
    network = load_face_vgg(files.classifier)
    heads: FusedHeads = load_fused(*files.face_network).heads
    with torch.no_grad():  # the fused heads answer as the trunk's own, whatever the latent
        for name in ("head_ferplus", "head_fer2013"):
            layer, own = getattr(heads, name), getattr(network, name)
            layer.weight.zero_()
            layer.weight[:, : network.num_features] = own.weight
            layer.bias.copy_(own.bias)
        save_fused_heads(heads, files.fused_heads, {})
        heads.head_ferplus.bias[2] += 1000
        save_fused_heads(heads, tmp_path / "plain.safetensors", {})
    faces = drawn_set(40)
    data = write_parquet(tmp_path / "public_test.parquet", faces)
    landmarks = tmp_path / "landmarks.npz"
    LandmarkCache({picture_key(picture): None for picture in faces.pictures}).save(landmarks)
    weights = [f"--classifier={files.classifier}", f"--encoder={files.encoder}"]
    weights += [f"--heads={files.fused_heads}", f"--plain={tmp_path / 'plain.safetensors'}"]
    options = [
        "--device=cpu",
        "--faces=30",
        f"--landmarks={landmarks}",
        f"--json={tmp_path / 'out.json'}",
    ]
    assert main([f"--data={data}", *weights, *options]) == 0
    figures = json.loads((tmp_path / "out.json").read_text())
    for style in ("photo", "sketch"):
        for labels in ("ferplus", "fer2013"):
            same = figures["own"][style][labels]
            assert (same["n"], same["only_a"], same["only_b"]) == (30, 0, 0)
        assert figures["plain"][style]["ferplus"]["accuracy_a"] < 0.3  # always fear
    shown = capsys.readouterr().out
    assert "| VGG19 as shipped | fused |" in shown
    assert "| VGG19, heads alone | fused |" in shown
