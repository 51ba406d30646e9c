"""The commands of the latent networks reach what they name."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamfer.app.cli.main import main
from tests.support.latent import save_latent_networks


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["train", "generator"], "--cuda-graphs"),
        (["train", "encoder"], "--generator"),
        (["train", "autoencoder"], "--common-only"),
        (["train", "fused"], "--views"),
        (["train", "trust"], "--refined"),
        (["train", "upright"], "--lost"),
        (["eval", "latent"], "--samples"),
        (["eval", "fused"], "--plain"),
    ],
)
def test_help_lists_the_options(
    command: list[str], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert option in capsys.readouterr().out


def test_invert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = save_latent_networks(tmp_path)
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "face.png"), rng.integers(0, 256, (48, 48, 3), dtype=np.uint8))
    options = [f"--{name}={path}" for name, path in files.items()]
    command = ["invert", str(tmp_path / "face.png"), f"--out={tmp_path / 'out'}", "--steps=1"]
    assert main([*command, "--device=cpu", f"--json={tmp_path / 'n.json'}", *options]) == 0
    (face,) = json.loads((tmp_path / "n.json").read_text())["faces"]
    assert (face["name"], face["steps"]) == ("face", 1)
    assert (tmp_path / "out" / "face.refined.png").exists()
    (line,) = capsys.readouterr().out.splitlines()  # however narrow the terminal
    assert line.startswith("face: MSE")


def test_missing_weights_are_exit_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [f"--out={tmp_path}", "--device=cpu", f"--generator={tmp_path / 'none.safetensors'}"]
    assert main(["invert", "x.png", *options]) == 5
    (line,) = capsys.readouterr().err.splitlines()
    assert "none.safetensors: cannot read the weights" in line
