from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamfer.errors import ConfigError
from streamfer.models.shipped import file_digest
from streamfer.training.upright import (
    UprightFitting,
    fit_upright,
    main,
    see_turned_faces,
    turned_view,
)
from streamfer.vision.upright import load_upright
from tests.support.labelled_faces import drawn_set, write_parquet
from tests.support.latent import save_all_networks
from tests.training.test_trust import EveryOther


def test_a_face_is_turned_clockwise_in_the_middle_of_its_view() -> None:
    picture = np.zeros((48, 48), np.uint8)
    picture[:24] = 255
    upright, right, down = (
        turned_view(picture, degrees, np.random.default_rng(0)) for degrees in (0, 90, 180)
    )
    assert upright.shape == (160, 160, 3)
    assert upright[60, 80, 0] > 200 > 50 > upright[100, 80, 0]
    assert right[80, 100, 0] > 200 > 50 > right[80, 60, 0]
    assert down[100, 80, 0] > 200 > 50 > down[60, 80, 0]


def test_how_much_a_crop_leans_is_known() -> None:
    pictures = [np.zeros((48, 48), np.uint8)] * 4
    seen = see_turned_faces(pictures, EveryOther(), UprightFitting(views=40))  # type: ignore[arg-type]
    assert seen.crops.shape == (20, 64, 64)
    # The landmarks are upright, so a crop leans as its face does: these were turned by any angle.
    assert ((seen.lean_deg >= -180) & (seen.lean_deg < 180)).all()
    assert np.ptp(seen.lean_deg) > 180


def test_the_model_tells_what_leans_and_loses_as_few_upright_ones_as_asked() -> None:
    rng = np.random.default_rng(0)
    lean = np.where(np.arange(2000) % 2, 180.0, 0.0)
    codes = rng.normal(0, 1, (2000, 6)).astype(np.float32)
    codes[:, 2] += np.where(lean > 0, -4, 0)
    model, figures = fit_upright(codes, lean, 0.01)
    upright = np.array([model.is_upright(code) for code in codes])
    assert upright[lean == 0].mean() == pytest.approx(0.99, abs=0.002)
    assert upright[lean > 0].mean() < 0.05
    assert figures["upright"] == figures["turned"] == 1000
    assert figures["turned_told"] == (~upright[lean > 0]).sum()


def test_both_kinds_are_needed() -> None:
    with pytest.raises(ConfigError, match="more --views"):
        fit_upright(np.zeros((4, 6), np.float32), np.zeros(4), 0.01)


def test_the_command_fits_to_the_encoder_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = save_all_networks(tmp_path)
    monkeypatch.setattr("streamfer.training.upright.make_detector", EveryOther)
    for name, count, seed in (("train-0", 20, 0), ("public_test", 4, 800)):
        write_parquet(tmp_path / f"{name}.parquet", drawn_set(count, seed))
    given = [f"--data={tmp_path}", f"--weights={tmp_path}", "--views=60", "--device=cpu"]
    assert main([*given, f"--out={weights.upright}"]) == 0
    assert json.loads(weights.upright.read_text())["encoder_sha256"] == file_digest(weights.encoder)
    assert load_upright(weights.upright).weights.shape == (80,)
