from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from streamfer.models.export import served_face_network
from streamfer.models.int8_calibration import read_calibration
from streamfer.models.shipped import WeightFiles
from streamfer.models.vgg import FaceVGG, FaceVGGConfig, folded, load_face_vgg, save_face_vgg
from streamfer.runtime.self_check import RELATIVE_ERROR_LIMITS
from streamfer.training.faces.landmarks import LandmarkCache, picture_key
from streamfer.training.int8 import activation_limits, main
from tests.support.labelled_faces import drawn_set, write_parquet
from tests.support.latent import save_all_networks


@pytest.fixture
def weights(tmp_path: Path) -> WeightFiles:
    torch.manual_seed(0)
    network = FaceVGG(FaceVGGConfig(width=0.05, input_size=32))
    network(torch.randint(0, 256, (8, 64, 64), dtype=torch.uint8))  # moves the statistics
    files = WeightFiles(tmp_path)
    save_face_vgg(network, files.classifier)
    return files


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    faces = drawn_set(14)
    for name in ("train-0", "public_test"):
        write_parquet(tmp_path / f"{name}.parquet", faces)
    LandmarkCache({picture_key(p): None for p in faces.pictures}).save(tmp_path / "landmarks.npz")
    return [f"--data={tmp_path}", f"--landmarks={tmp_path / 'landmarks.npz'}"]


@pytest.mark.parametrize("clipped", [0.0, 1e-3, 0.05])
def test_limits_leave_out_the_share_asked_for(weights: WeightFiles, clipped: float) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (70, 64, 64), dtype=np.uint8)
    served = served_face_network(weights)
    limits = activation_limits(served, crops, clipped)
    network = folded(load_face_vgg(weights.classifier))
    x = network.normalise(torch.from_numpy(crops))
    expected = {}
    with torch.inference_mode():
        for index, layer in enumerate(network.trunk):
            if index and isinstance(layer, nn.Conv2d):
                expected[f"model.trunk.{index}"] = x.flatten().clone()
            x = layer(x)
    assert limits.keys() == expected.keys()
    for name, values in expected.items():
        beyond = (values > limits[name] + 1e-4).float().mean()
        assert beyond <= clipped
        assert limits[name] <= values.max() + 1e-4
        if clipped == 0.0:
            assert limits[name] == pytest.approx(values.max().item(), abs=1e-4)


def test_the_command_writes_what_serving_reads(
    weights: WeightFiles, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = f"--weights={weights.folder}"
    assert main([*options, folder, f"--out={weights.int8}", "--faces=5"]) == 0
    calibration = read_calibration(weights)
    assert calibration is not None
    assert len(calibration.limits) == 15
    assert all(limit > 0 for limit in calibration.limits.values())
    assert calibration.accuracy["fer2013"].faces == 14
    assert calibration.notes["limits"].startswith("5 training faces")
    assert "points) on 14 faces" in capsys.readouterr().out


def test_the_encoder_is_quantised_too(
    tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RELATIVE_ERROR_LIMITS, "int8", 1.0)  # the networks are random
    (tmp_path / "weights").mkdir()
    weights = save_all_networks(tmp_path / "weights")
    assert main([*options, f"--weights={weights.folder}", f"--out={weights.int8}"]) == 0
    calibration = read_calibration(weights)
    assert calibration is not None
    encoder = [name for name in calibration.limits if name.startswith("encoder.")]
    assert "encoder.body.3.conv1" in encoder
    assert "encoder.body.4.shortcut.0" in encoder
    assert not {"encoder.body.0", "encoder.describe.0"} & set(encoder)
    assert "of the codes' spread" in calibration.notes["latent"]


@pytest.mark.parametrize(
    ("argument", "says"),
    [("--faces=0", "--faces: at least 1"), ("--data=absent", "absent: no such file or folder")],
)
def test_errors_are_one_line(
    options: list[str],
    weights: WeightFiles,
    argument: str,
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = f"--weights={weights.folder}"
    assert main([*options, folder, f"--out={weights.int8}", argument]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert "\n" not in error
