"""Codes of training faces are optimised shard by shard, and gone on with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamfer.errors import ConfigError
from streamfer.evaluation.inverted import LatentModels, load_latent_models
from streamfer.models.stylegan2 import from_uint8
from streamfer.training.codes import CodesConfig, main, optimise_codes
from streamfer.training.latent.optimised_faces import CodeShards, read_optimised_faces
from tests.support.labelled_faces import drawn_face, drawn_set, write_parquet
from tests.support.latent import save_latent_networks

_CONFIG = CodesConfig(faces=5, steps=4, batch_size=2)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> LatentModels:
    files = save_latent_networks(tmp_path_factory.mktemp("networks"))
    return load_latent_models(**files, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return np.stack([drawn_face(row % 7, row, side=64) for row in range(6)])


def test_codes_draw_their_faces_better_than_the_encoder_s(
    tmp_path: Path, models: LatentModels, crops: np.ndarray
) -> None:
    assert optimise_codes(models, crops, _CONFIG, CodeShards(tmp_path, {})) == 5
    known = read_optimised_faces(tmp_path)
    assert len(known.crops) == 5
    target = from_uint8(known.crops)
    with torch.no_grad():
        first = models.encoder(target)
        before, after = (
            (models.generator.synthesis(ws) - target).square().mean() for ws in (first, known.codes)
        )
    assert after < before


def test_what_is_there_is_not_made_again(
    tmp_path: Path, models: LatentModels, crops: np.ndarray
) -> None:
    times = iter([0.0])
    few = CodesConfig(faces=5, steps=4, batch_size=2, max_seconds=1)
    shards = CodeShards(tmp_path, {"seed": 0})
    # However short the time, one shard is made.
    assert optimise_codes(models, crops, few, shards, lambda: next(times, 9.0)) == 2
    first = (tmp_path / "codes-00000.npz").stat().st_mtime_ns
    again = CodeShards(tmp_path, {"seed": 0})
    assert optimise_codes(models, crops, _CONFIG, again) == 5
    assert (tmp_path / "codes-00000.npz").stat().st_mtime_ns == first
    whole = CodeShards(tmp_path / "whole", {})
    optimise_codes(models, crops, _CONFIG, whole)
    assert torch.equal(
        read_optimised_faces(tmp_path).codes, read_optimised_faces(tmp_path / "whole").codes
    )
    with pytest.raises(ConfigError, match=r"holds codes of another seed \(0, not 1\)"):
        CodeShards(tmp_path, {"seed": 1})


def test_a_folder_without_codes_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no optimised codes in it"):
        read_optimised_faces(tmp_path)
    (tmp_path / "codes-00000.npz").write_bytes(b"none")
    with pytest.raises(ConfigError, match=r"codes-00000\.npz: not optimised codes"):
        read_optimised_faces(tmp_path)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = save_latent_networks(tmp_path)
    data = write_parquet(tmp_path / "mine.parquet", drawn_set(3))
    options = [f"--{name}={path}" for name, path in files.items()]
    given = [*options, f"--data={data}", f"--out={tmp_path / 'codes'}", "--device=cpu", "--steps=1"]
    assert main(given) == 0
    assert "codes of 3 faces" in capsys.readouterr().out
    assert main([*given, "--seed=1"]) == 2
    assert main([*given, "--batch-size=0"]) == 2
