"""The page of the docs on own weights: its three commands, run."""

import hashlib
import json
import os
import re
import shlex
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import save_file

from streamfer.app.config import RunConfig
from streamfer.app.networks.own_weights import read_own_weights
from streamfer.errors import ConfigError, EngineError
from streamfer.labels import LABELS
from streamfer.models.backbones.backbone import BackboneConfig
from streamfer.models.fused import FusedHeads, FusedHeadsConfig, save_fused_heads
from streamfer.models.latent_per import LatentPER, LatentPERConfig, save_latent_per
from streamfer.models.vgg import FaceVGG, FaceVGGConfig, save_face_vgg
from tests.support.labelled_faces import write_tree
from tests.support.program import frame_records, record_lines, streamfer
from tests.support.shared import shared_file

PAGE = Path(__file__).parents[3] / "docs" / "own-weights.md"

SMALLER = {
    "train": ["--epochs=1", "--batch-size=8", "--width=0.05", "--sizes=16", "--workers=0"],
    "eval": [],
    "run": ["--no-display", "--max-frames=6", "--quiet", "--backend=onnxruntime", "--device=cpu"],
}
"""What makes the page's commands fit into a test; later options win."""


def test_the_three_commands_of_the_page(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMFER_HOME", str(tmp_path / "home"))
    names = ("angry", "happy", "sad")
    files = [(f"{name}/p{i}-1.png", 3 * n) for n, name in enumerate(names) for i in range(10)]
    write_tree(tmp_path / "faces", files)
    (block,) = re.findall(r"```\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    commands = [shlex.split(line)[1:] for line in block.strip().splitlines()]
    assert [command[0] for command in commands] == list(SMALLER)
    for command in commands:
        ended = streamfer(capfd, *command, *SMALLER[command[0]])
        assert ended.code == 0, ended.err
    weights = tmp_path / "mine" / "face_vgg19.safetensors"
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    figures = json.loads((tmp_path / "mine" / "eval.json").read_text())
    assert figures["model_sha256"] == sha256
    assert {"macro_f1", "uar", "kappa", "confidence_95"} <= figures.keys()
    assert (figures["labels"], figures["n"], figures["n_dedup"]) == ("fer2013", 30, 3)
    header = record_lines(tmp_path / "mine" / "demo.jsonl")[0]
    assert header["models"]["face"] == {"name": "face_vgg19.safetensors", "sha256": sha256}
    assert (header["label_set"], header["taught"]) == ("fer2013", list(names))
    assert "probabilities of angry, happy, sad:" in (tmp_path / "mine/face_vgg19.md").read_text()
    frames = frame_records(tmp_path / "mine" / "demo.jsonl")
    faces = [face for frame in frames for face in frame["faces"]]
    assert len(frames) == 6
    assert faces
    assert {face["trust"] for face in faces} == {None}
    assert {face["latent"] for face in faces} == {None}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_page_on_faces_of_real_persons(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands, on a class-per-folder set; `-s` shows how long each command took (the goal for
    the training, on two idle cores: five minutes, so ten of CPU where other work shares them)."""
    table = pq.read_table(shared_file("data/persons/same_person.parquet"))
    for number, row in enumerate(table.to_pylist()):
        path = tmp_path / "faces" / LABELS[row["label"]] / f"S{row['person']:03d}_{number}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(row["image"])
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    for line in block.strip().splitlines():
        began, spent = time.monotonic(), sum(os.times()[:4])
        arguments = shlex.split(line)[1:]
        more = ["--no-display"] if arguments[0] == "run" else []
        ended = streamfer(capfd, *arguments, *more)
        assert ended.code == 0, ended.err
        with capfd.disabled():
            cpu_s = sum(os.times()[:4]) - spent
            print(f"\n{time.monotonic() - began:.0f} s, {cpu_s:.0f} s of CPU: {line}")
    assert "whole subjects" in (tmp_path / "mine" / "face_vgg19.md").read_text()
    figures = json.loads((tmp_path / "mine" / "eval.json").read_text())
    assert figures["n"] == table.num_rows
    assert figures["confidence_95_by"] == "subject"
    header = record_lines(tmp_path / "mine" / "demo.jsonl")[0]
    sha256 = hashlib.sha256((tmp_path / "mine" / "face_vgg19.safetensors").read_bytes()).hexdigest()
    assert header["models"]["face"] == {"name": "face_vgg19.safetensors", "sha256": sha256}
    assert header["label_set"] == "fer2013"
    assert any(frame["faces"] for frame in frame_records(tmp_path / "mine" / "demo.jsonl"))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x\.safetensors: no such file"):
        read_own_weights(tmp_path / "x.safetensors")
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(EngineError, match="cannot read the weights"):
        read_own_weights(path)
    save_file({"x": torch.zeros(1).numpy()}, path, {"schema": "streamfer.encoder/1"})
    with pytest.raises(EngineError, match=r"found schema streamfer\.encoder/1"):
        read_own_weights(path)
    model = FaceVGG(FaceVGGConfig(width=0.05))
    save_face_vgg(model, path, {"labels": "happy,bored"})
    with pytest.raises(EngineError, match="its labels are happy,bored: records hold angry, disg"):
        read_own_weights(path)
    save_face_vgg(model, path, {"alignment": "mtcnn"})
    with pytest.raises(EngineError, match="its faces are aligned by mtcnn, here by fer2013-64/1"):
        read_own_weights(path)
    model.heads = ()
    save_face_vgg(model, path)
    with pytest.raises(EngineError, match="none of its heads was trained"):
        read_own_weights(path)
    save_fused_heads(FusedHeads(FusedHeadsConfig(8)), path, {})
    with pytest.raises(EngineError, match=r"the heads alone; give fused_vgg19\.safetensors"):
        read_own_weights(path)


def test_the_option_takes_names_and_files_alone() -> None:
    assert RunConfig(face_model="mine/w.safetensors").face_model == "mine/w.safetensors"
    with pytest.raises(ConfigError, match=r"--face-model: expected one of shipped, e4e-ffhq"):
        RunConfig(face_model="e4e")


def test_the_head_that_was_trained_answers(tmp_path: Path) -> None:
    model = FaceVGG(FaceVGGConfig(width=0.05))
    save_face_vgg(model, tmp_path / "both.safetensors")
    assert read_own_weights(tmp_path / "both.safetensors").label_set("ferplus") == "ferplus"
    model.heads = ("fer2013",)
    save_face_vgg(model, tmp_path / "one.safetensors")
    assert read_own_weights(tmp_path / "one.safetensors").label_set("ferplus") == "fer2013"


def test_weights_on_a_backbone_serve(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMFER_HOME", str(tmp_path / "home"))
    shape = BackboneConfig("resnet18", width=0.03, input_size=32)
    network = LatentPER(LatentPERConfig(shape, "none", "fer2013", hidden=16))
    path, records = tmp_path / "own.safetensors", tmp_path / "r.jsonl"
    save_latent_per(network, None, path, {})
    command = [
        "run",
        "demo:",
        "--face-model",
        str(path),
        "--records",
        str(records),
        *SMALLER["run"],
    ]
    ended = streamfer(capfd, *command, "--backbone", "dan")
    assert ended.code == 2
    assert "--backbone dan: own.safetensors was trained on resnet18" in ended.err
    ended = streamfer(capfd, *command, "--backbone", "resnet18")
    assert ended.code == 0, ended.err
    header = record_lines(records)[0]
    assert header["models"]["face"]["name"] == "own.safetensors"
    assert header["label_set"] == "fer2013"
    faces = [face for frame in frame_records(records) for face in frame["faces"]]
    assert faces
    assert all(sum(face["probs"]) == pytest.approx(1, abs=1e-3) for face in faces)


def test_a_backbone_needs_weights_of_ones_own() -> None:
    with pytest.raises(ConfigError, match="--backbone dan: needs weights of one's own; train some"):
        RunConfig(backbone="dan")
