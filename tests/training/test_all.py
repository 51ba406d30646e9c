"""One command makes what follows from a change of a network, and only that."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from streamfer.models.inversion.curvature import curvature_of
from streamfer.models.shipped import WeightFiles, digest, file_digest, weights_sha256
from streamfer.models.storage import load_encoder, save_encoder
from streamfer.models.structures import structure_path
from streamfer.models.vgg import load_face_vgg, save_face_vgg
from streamfer.training.all import main
from tests.support.labelled_faces import drawn_set, write_parquet
from tests.support.latent import save_all_networks, write_card
from tests.training.test_trust import EveryOther

_NEEDED = (
    "heads",
    "measurements",
    "cards",
    "directions",
    "int8",
    "curvature",
    "trust",
    "upright",
    "structures",
)


def _with_cards(weights: WeightFiles) -> None:
    for path in weights.networks:
        write_card(path, weights_sha256(path))
        with path.with_suffix(".md").open("a") as card:
            card.write("\n## Recipe\n\nAs it was before.\n\n## Intended use, and limits\n")


def _named_structures(names: Iterable[str], files: object, folder: Path) -> None:
    """Exports take minutes, and are tested elsewhere."""
    for name in names:
        structure_path(name, folder).write_bytes(b"structure")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for command in ("trust", "upright"):
        monkeypatch.setattr(f"streamfer.training.{command}.make_detector", EveryOther)
    # Random networks don't stand being rounded; that int8 is measured is another test's matter.
    monkeypatch.setattr("streamfer.training.int8._measure", lambda *_: ("none", {}, None))
    monkeypatch.setattr("streamfer.training.all.write_structures", _named_structures)
    (tmp_path / "base").mkdir()
    base = save_all_networks(tmp_path / "base")
    encoder = load_encoder(base.encoder)  # a new one gives all faces the same code
    for layer in (encoder.common, encoder.deltas):
        torch.nn.init.normal_(layer.weight, std=0.1)
    save_encoder(encoder, base.encoder, {})
    _with_cards(base)
    for name, count, seed in (("train-0", 700, 0), ("public_test", 40, 800)):
        write_parquet(tmp_path / f"{name}.parquet", drawn_set(count, seed))
    return tmp_path


def _options(folder: Path, *more: str) -> list[str]:
    given = [f"--data={folder}", f"--out={folder / 'out'}", f"--weights={folder / 'base'}"]
    return [*given, "--device=cpu", "--share=0.01", "--commit=c0ffee", *more]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_changed_classifier_is_one_command(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, weights = WeightFiles(folder / "base"), WeightFiles(folder / "out" / "weights")
    before = {path.name: path.read_bytes() for path in base.folder.iterdir()}
    assert main(_options(folder)) == 0
    shown = capsys.readouterr().out
    assert all(f"{name}: done in" in shown for name in _NEEDED)
    assert {path.name: path.read_bytes() for path in base.folder.iterdir()} == before
    for path in (*weights.networks, weights.directions):
        assert file_digest(path) in path.with_suffix(".md").read_text()
    for path in (weights.generator, weights.encoder):
        assert "As it was before." in path.with_suffix(".md").read_text()
    assert json.loads(weights.trust.read_text())["face_sha256"] == digest(weights.face_network)
    assert json.loads(weights.upright.read_text())["encoder_sha256"] == file_digest(weights.encoder)
    assert json.loads(weights.int8.read_text())["network_sha256"] == digest(weights.face_network)
    assert curvature_of(weights.generator, weights.classifier, weights.curvature) is not None

    assert main(_options(folder)) == 0
    assert capsys.readouterr().out.count("done before") == len(_NEEDED)

    changed = folder / "new" / "face_vgg19.safetensors"
    changed.parent.mkdir()
    network = load_face_vgg(base.classifier)
    with torch.no_grad():
        network.head_ferplus.bias += 0.1
    save_face_vgg(network, changed)
    write_card(changed, weights_sha256(changed))
    assert main(_options(folder, f"--classifier={changed}")) == 0
    shown = capsys.readouterr().out
    assert "directions: done in" in shown  # some learn what the classifier reads in drawings
    assert "upright: done before" in shown
    assert shown.count("done before") == 1
    assert weights.classifier.read_bytes() == changed.read_bytes()
    assert json.loads(weights.trust.read_text())["face_sha256"] == digest(weights.face_network)


def test_missing_parts_are_named_before_anything_is_made(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_options(folder, f"--generator={folder / 'absent'}")) == 2
    assert "generator.safetensors: no such file" in capsys.readouterr().err
    assert main(_options(folder, "--share=0")) == 2
    assert not (folder / "out").exists()
    shutil.rmtree(folder / "base")
    assert main(_options(folder)) == 2
    assert "face_vgg19.safetensors: no such file" in capsys.readouterr().err
