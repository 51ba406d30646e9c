"""What ships is what was trained, each file beside a card that describes it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from streamfer.models.fused import FusedHeads, load_fused, load_fused_heads, save_fused_heads
from streamfer.models.shipped import WeightFiles, file_digest
from streamfer.training.ship import main
from tests.support.latent import save_all_networks

PAIR = {
    "n": 10, "accuracy_a": 0.5, "accuracy_b": 0.6, "only_a": 1, "only_b": 2, "p_value": 1.0,
}  # fmt: skip
MEANS = {
    "median_mse_encoder": 0.021,
    "median_mse_refined": 0.0071,
    "mean_loss_encoder": 0.5,
    "mean_steps": 100.0,
    "loss_halved": 0.99,
    "mse_down_30": 0.97,
    "agreement_encoder": 0.78,
    "agreement_refined": 0.93,
}


class Runs:
    """Folders as the trainings and the evaluation leave them."""

    def __init__(self, folder: Path) -> None:
        trained = save_all_networks(_made(folder / "trained"))
        self.joint, self.fused = _made(folder / "joint"), _made(folder / "fused")
        self.weights = WeightFiles(_made(folder / "weights"))
        self.evaluation = folder / "latent.json"
        shutil.copy(trained.generator, self.joint / "generator.safetensors")
        shutil.copy(trained.encoder, self.joint / "encoder.safetensors")
        shutil.copy(trained.fused_heads, self.fused / "fused_heads.safetensors")
        heads = load_fused_heads(trained.fused_heads)
        alone = FusedHeads(replace(heads.config, use_latent=False))
        save_fused_heads(alone, self.fused / "plain_heads.safetensors", {})
        shutil.copy(trained.classifier, self.weights.classifier)
        _write(self.joint / "config.json", {"generator": {"z_dim": 8}, "learning_rate": 0.002})
        rows = [(4000, 600.0), (8000, 1200.0), (12000, 300.0)]
        lines = [json.dumps({"images": n, "seconds": s}) for n, s in rows]
        (self.joint / "metrics.jsonl").write_text("\n".join(lines))
        _write(self.fused / "config.json", {"views": 6, "seed": 3})
        sets = {"ferplus": PAIR, "fer2013": PAIR}
        _write(self.fused / "comparison.json", {"photo": sets, "sketch": sets})
        evaluation = {"faces": [{}] * 4, "means": MEANS, "answers": sets}
        _write(self.evaluation, {**evaluation, "frechet": {"samples": 2.5, "training": 0.4}})

    def ship(self, *options: str) -> int:
        folders = [f"--joint={self.joint}", f"--fused={self.fused}", "--note=Stopped early."]
        place = [f"--weights={self.weights.folder}", f"--evaluation={self.evaluation}"]
        return main([*folders, *place, "--commit=c0ffee", *options])


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content))


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_all_files_ship_with_cards_that_describe_them(runs: Runs) -> None:
    assert runs.ship() == 0
    assert runs.weights.missing_latent == ()
    load_fused(*runs.weights.face_network)
    for path in (runs.weights.generator, runs.weights.encoder, runs.weights.fused_heads):
        card = path.with_suffix(".md").read_text("utf-8")
        assert file_digest(path) in card
        assert "`c0ffee`" in card
        assert "## Intended use, and limits" in card
        assert path.stat().st_mode & 0o777 == 0o644


def test_cards_hold_the_figures(runs: Runs) -> None:
    runs.ship()
    generator, encoder, heads = (
        path.with_suffix(".md").read_text("utf-8")
        for path in (runs.weights.generator, runs.weights.encoder, runs.weights.fused_heads)
    )
    assert "12,000 faces in 25 minutes" in generator  # 20 before the continuation, 5 in it
    assert "samples to PublicTest | 2.50 |" in generator
    assert "median pixel MSE | 0.0071 |" in generator
    assert "learning_rate = 0.002" in generator
    assert "Stopped early." in encoder
    assert "| 78.0% |" in encoder
    assert "| sketch | fer2013 | 10 | 50.00% | 60.00% | 1 | 2 | 1 |" in heads
    assert "| encoded | refined |" in heads
    assert "seed = 3" in heads


def test_heads_without_the_latent_ship_where_they_are_better(runs: Runs) -> None:
    assert runs.ship("--plain-heads") == 0
    assert not load_fused(*runs.weights.face_network).heads.config.use_latent
    assert "left out" in runs.weights.fused_heads.with_suffix(".md").read_text("utf-8")


def test_networks_that_do_not_fit_are_not_shipped(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(runs.joint / "generator.safetensors", runs.joint / "encoder.safetensors")
    assert runs.ship() == 5
    assert "encoder.safetensors" in capsys.readouterr().err
    assert runs.weights.missing_latent != ()


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl"])
def test_an_incomplete_run_is_named(
    runs: Runs, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs.joint / name).write_text("{")
    assert runs.ship() == 2
    assert name in capsys.readouterr().err
