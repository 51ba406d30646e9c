"""Training on a backbone: what it leaves, that it goes on exactly, what it refuses."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from streamfer.models.directions import save_directions
from streamfer.models.latent_per import load_latent_per
from streamfer.models.storage import load_encoder, read_tensors, save_encoder
from streamfer.training.backbone import main
from streamfer.training.runs.run_state import load_checkpoint, save_checkpoint
from tests.support.backbone_runs import TINY, metrics, run_options
from tests.support.directions import random_directions
from tests.support.labelled_faces import write_tree


def test_it_leaves_weights_that_say_what_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = [*run_options(tmp_path), *TINY, "--out", str(out), "--style", "sketch"]
    arguments += ["--backbone", "rul", "--latent", "median", "--loss", "mse"]
    assert main(arguments) == 0
    weights = out / "rul_median.safetensors"
    assert capsys.readouterr().out.strip() == str(weights)
    told = read_tensors(weights)[0]
    assert (told["backbone"], told["latent"], told["heads"]) == ("rul", "median", "ferplus")
    assert told["labels"] == "angry,disgust,fear,happy,sad,surprise,neutral"
    assert (told["style"], told["loss"]) == ("sketch", "mse")
    served = load_latent_per(weights)
    assert served.encoder is not None
    assert 0 < served.network.mask.mean() < 0.5
    assert served.network.spread != 1
    assert not torch.equal(served.network.w_avg, torch.ones(8))
    card = weights.with_suffix(".md").read_text()
    assert "Backbone `rul`, width 0.03, 32 px inside; latent code: median," in card
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 1
    assert json.loads((out / "config.json").read_text())["loss"] == "mse"
    views = [path.name for path in (out / "views").glob("*/*")]
    assert sorted(name[:5] for name in views) == ["codes", "crops"]


def test_a_stopped_run_goes_on_exactly(tmp_path: Path) -> None:
    options = [*run_options(tmp_path, 96, 14), *TINY, "--backbone", "dacl", "--latent", "mean"]
    options += ["--views-in", str(tmp_path / "views"), "--epochs", "2"]
    through, stopped = tmp_path / "through", tmp_path / "stopped"
    assert main([*options, "--out", str(through)]) == 0
    real = torch.optim.SGD.step
    steps: list[int] = []

    def stop_in_the_second_epoch(self: torch.optim.SGD, closure: None = None) -> None:
        steps.append(1)
        if len(steps) == 3:
            raise KeyboardInterrupt
        real(self, closure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", stop_in_the_second_epoch)
        assert main([*options, "--out", str(stopped)]) == 130
    assert main([*options, "--out", str(stopped), "--resume"]) == 0
    assert "NaN" not in metrics(through)
    assert metrics(stopped) == metrics(through)
    first, second = (read_tensors(p / "dacl_mean.safetensors")[1] for p in (through, stopped))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_wrong_settings_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [*run_options(tmp_path, 64, 14), *TINY, "--out", str(tmp_path / "out")]
    options += ["--backbone", "resnet18", "--latent", "none"]
    assert main(options) == 0
    tree = write_tree(tmp_path / "tree", [(f"happy/{i}.png", 3) for i in range(6)])
    refused = {
        "was trained with learning_rate 0.05, not 0.1": ["--resume", "--learning-rate", "0.1"],
        "--batch-size 1: needs at least 2 faces": ["--batch-size", "1"],
        "published checkpoints of DAN need --backbone dan": ["--initial", "x.pth"],
        "--augment 2.0 is not in": ["--augment", "2"],
        "are for codes of 10 × 8, the encoder's are 10 × 128": [
            *("--latent", "mean", "--views-in", str(tmp_path / "more")),
            *("--encoder", "streamfer/weights/encoder_faces64.safetensors"),
        ],
        "--labels ferplus: these faces have one label": [
            *("--data", str(tree), "--labels", "ferplus", "--landmarks", str(tmp_path / "l.npz")),
        ],
    }
    capsys.readouterr()
    for message, more in refused.items():
        assert main([*options, *more]) in (2, 5)
        last = capsys.readouterr().err.strip().splitlines()[-1]
        assert last.startswith("error: ")
        assert message in last


def test_views_are_the_same_for_every_arm(tmp_path: Path) -> None:
    options = [*run_options(tmp_path, 64, 14), *TINY, "--views-in", str(tmp_path / "views")]
    for number, (backbone, latent) in enumerate((("resnet18", "none"), ("vgg19", "full"))):
        arm = ["--backbone", backbone, "--latent", latent, "--seed", str(number)]
        assert main([*options, *arm, "--out", str(tmp_path / backbone)]) == 0
    (folder,) = (tmp_path / "views").iterdir()
    crops = np.load(folder / "crops-000.npy")
    assert crops.shape[1:] == (64, 64)
    assert len(list(folder.iterdir())) == 2


def test_a_run_goes_on_with_what_it_began_with_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*run_options(tmp_path, 64, 14), *TINY, "--backbone", "resnet18", "--latent", "mean"]
    out = tmp_path / "out"
    assert main([*options, "--out", str(out)]) == 0
    others = {name: tmp_path / f"other-{name}.safetensors" for name in ("encoder", "directions")}
    encoder = load_encoder(Path(options[options.index("--encoder") + 1]))
    encoder.w_avg.add_(1)
    save_encoder(encoder, others["encoder"], {})
    directions = random_directions(10, 8)
    other = dataclasses.replace(directions, scores=-directions.scores)
    save_directions(other, others["directions"], {})
    for name, path in others.items():
        arguments = [*options, "--out", str(out), "--resume", f"--{name}", str(path)]
        assert main(arguments) == 2
        last = capsys.readouterr().err.strip().splitlines()[-1]
        assert f"last.pt: was trained with another --{name} (SHA-256 " in last
    state = load_checkpoint(out / "last.pt")
    del state["began_with"]  # as an earlier version left it
    save_checkpoint(out / "last.pt", state)
    assert main([*options, "--out", str(out), "--resume"]) == 0
