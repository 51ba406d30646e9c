import json
from pathlib import Path

import numpy as np
import pytest
import torch

from streamfer.app.cli.main import main
from streamfer.models.vgg import FaceVGG, FaceVGGConfig, save_face_vgg
from streamfer.training.faces.landmarks import LandmarkCache, picture_key
from tests.support.labelled_faces import drawn_set, write_parquet, write_tree


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    faces = drawn_set(14)
    cache = LandmarkCache({picture_key(p): None for p in faces.pictures})
    cache.save(tmp_path / "landmarks.npz")
    torch.manual_seed(0)
    save_face_vgg(FaceVGG(FaceVGGConfig(width=0.125, input_size=16)), tmp_path / "w.safetensors")
    data = write_parquet(tmp_path / "public_test.parquet", faces)
    return [
        *("--data", str(data), "--landmarks", str(tmp_path / "landmarks.npz")),
        *("--weights", str(tmp_path / "w.safetensors")),
    ]


def test_eval_writes_figures_predictions_and_a_picture(options: list[str], tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("a.json", "a.npz", "a.png")}
    arguments = ["eval", "classifier", *options, "--labels", "fer2013", "--style", "sketch"]
    arguments += ["--json", str(files["a.json"]), "--predictions", str(files["a.npz"])]
    assert main([*arguments, "--confusion", str(files["a.png"]), "--tta"]) == 0
    figures = json.loads(files["a.json"].read_text())
    assert {
        "accuracy",
        "n",
        "per_class",
        "ece",
        "confusion",
        "accuracy_dedup",
        "n_dedup",
        "model_sha256",
    } <= figures.keys()
    assert (figures["labels"], figures["style"], figures["tta"]) == ("fer2013", "sketch", True)
    with np.load(files["a.npz"]) as arrays:
        recomputed = (arrays["probs"].argmax(axis=1) == arrays["label"]).mean()
    assert figures["accuracy"] == pytest.approx(recomputed)
    assert files["a.png"].stat().st_size > 1000


def test_eval_through_the_served_engine(
    options: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("streamfer.runtime.store.store.default_root", lambda: tmp_path / "engines")
    arguments = ["eval", "classifier", *options[:4], "--labels", "fer2013", "--precision"]
    probabilities = {}
    for precision in ("fp32", "int8"):
        files = {name: tmp_path / f"{precision}.{name}" for name in ("json", "npz")}
        written = ["--json", str(files["json"]), "--predictions", str(files["npz"])]
        assert main([*arguments, precision, *written]) == 0
        assert json.loads(files["json"].read_text())["engine"].endswith(f" {precision}")
        assert f"in {precision}" in capsys.readouterr().out
        with np.load(files["npz"]) as arrays:
            probabilities[precision] = arrays["probs"]
    apart = np.abs(probabilities["int8"] - probabilities["fp32"]).max()
    assert 0 < apart < 0.05
    assert main([*arguments, "int8", *options[4:]]) == 2
    assert "without --weights" in capsys.readouterr().err


def test_eval_by_folds(options: list[str], tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "tree", [(f"happy/S{i}_1.png", 3) for i in range(3)] + [("sad/S4_1.png", 4)]
    )
    arguments = ["eval", "classifier", "--data", str(tree), "--protocol", "kfold", *options[4:]]
    arguments += ["--folds", "2", "--by", "subject", "--epochs", "1"]
    arguments += ["--json", str(tmp_path / "a.json"), "--predictions", str(tmp_path / "a.npz")]
    assert main([*arguments, "--confusion", str(tmp_path / "a.png")]) == 0
    assert json.loads((tmp_path / "a.json").read_text())["subject"]["n"] == 4
    with np.load(tmp_path / "a.npz") as arrays:
        assert sorted(arrays["name"]) == [*(f"happy/S{i}_1.png" for i in range(3)), "sad/S4_1.png"]
        assert sorted(arrays["subject"]) == ["S0", "S1", "S2", "S4"]
    assert (tmp_path / "a.png").exists()
    assert main([*arguments, "--split", "test"]) == 2


@pytest.mark.parametrize("command", ["eval", "train"])
def test_missing_data_is_one_line_and_exit_code_2(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [command, "classifier", "--data", str(tmp_path / "absent.parquet")]
    if command == "train":
        arguments += ["--out", str(tmp_path / "run")]
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert "no such file or folder" in error
    assert "\n" not in error


@pytest.mark.parametrize(
    "command",
    [
        ["train", "classifier", "--out=run"],
        ["train", "generator", "--out=run"],
        ["train", "encoder", "--out=run", "--generator=g.safetensors"],
        ["train", "autoencoder", "--out=run"],
        ["train", "fused", "--out=run", "--encoder=e.safetensors"],
        ["train", "trust", "--out=trust.json"],
        ["train", "curvature", "--out=curvature.safetensors"],
        ["train", "upright", "--out=upright.json"],
        ["eval", "latent"],
        ["eval", "fused"],
        ["invert", "x.png", "--out=run"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
@pytest.mark.parametrize("device", ["cuda", "nonsense"])
def test_a_device_that_is_not_there_is_bad_usage(
    command: list[str],
    device: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    monkeypatch.chdir(tmp_path)
    data = [] if command[0] == "invert" else [f"--data={tmp_path}"]
    write_parquet(tmp_path / "train.parquet", drawn_set(7))
    write_parquet(tmp_path / "public_test.parquet", drawn_set(7, seed=9))
    assert main([*command, *data, f"--device={device}"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"device {device} cannot be used" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"--json": "public_test.parquet"}, "is the input"),
        ({"--predictions": "landmarks.npz"}, "is the input"),
        ({"--json": "a.csv", "--table": "a.csv"}, "the same file as --table"),
    ],
)
def test_no_result_replaces_what_is_read_or_another(
    options: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    files: dict[str, str],
    message: str,
) -> None:
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    results = [part for flag, name in files.items() for part in (flag, str(tmp_path / name))]
    assert main(["eval", "classifier", *options, "--labels", "fer2013", *results]) == 2
    assert message in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
