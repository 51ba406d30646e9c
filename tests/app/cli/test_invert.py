"""`invert` on pictures with faces, without, and of kinds it does not take."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from streamfer.app.cli.invert import invert
from streamfer.app.cli.invert_options import InvertConfig
from streamfer.app.session.faces import Picture, find_faces, read_pictures
from streamfer.app.session.session import Session
from streamfer.errors import ConfigError, EngineError, SourceError
from streamfer.evaluation.inversion_sheet import loss_curve
from streamfer.types import FrameResult, UInt8Array
from tests.support.analysed import make_result
from tests.support.latent import save_latent_networks
from tests.support.shared import shared_file


def invert_config(folder: Path, *images: str, **changes: object) -> InvertConfig:
    return InvertConfig(
        images=images,
        out=folder / "out",
        steps=2,
        device="cpu",
        **save_latent_networks(folder),
        **changes,  # type: ignore[arg-type]
    )


def quiet() -> Console:
    return Console(quiet=True)


def test_every_face_gets_its_files_and_numbers(tmp_path: Path) -> None:
    photograph = shared_file("media/multi_face.jpg")
    config = invert_config(tmp_path, str(photograph), json=tmp_path / "numbers.json")
    assert invert(config, quiet()) == 0
    faces = json.loads((tmp_path / "numbers.json").read_text())["faces"]
    assert [f["name"] for f in faces] == ["multi_face", *(f"multi_face-{i}" for i in range(2, 6))]
    assert faces[0].keys() == {
        *("name", "loss_encoder", "loss_refined", "mse_encoder", "mse_refined", "steps"),
        *("seconds", "emotion_input", "emotion_encoder", "emotion_refined", "source", "box"),
    }
    height, width = cv2.imread(str(photograph)).shape[:2]
    for face in faces:
        assert face["source"] == str(photograph)
        left, top, right, bottom = face["box"]
        assert -20 <= left < right <= width + 20
        assert -20 <= top < bottom <= height + 20
        for kind in ("input", "encoder", "refined"):
            path = config.out / f"{face['name']}.{kind}.png"
            picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert picture is not None
            assert picture.shape == (64, 64)
        with np.load(config.out / f"{face['name']}.npz") as latents:
            assert latents["latent_refined"].shape == latents["latent_encoder"].shape == (10, 8)
    sheet = cv2.imread(str(config.out / "contact_sheet.png"))
    assert sheet is not None
    assert sheet.shape[0] % 5 == 0
    assert sheet.shape[1] > 600


def test_a_picture_without_faces_is_exit_3(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((300, 300, 3), 90, np.uint8))
    config = invert_config(tmp_path, str(tmp_path / "wall.png"))
    assert invert(config, quiet()) == 3
    numbers = json.loads((config.out / "faces.json").read_text())
    wall = str(tmp_path / "wall.png")
    assert numbers == {"faces": [], "passed_over": [f"{wall}: no face was found in it"]}


def face_crop(path: Path, seed: int = 0) -> Path:
    """A picture so small that it is taken for a face crop."""
    rng = np.random.default_rng(seed)
    cv2.imwrite(str(path), rng.integers(0, 256, (48, 48, 3), dtype=np.uint8))
    return path


def test_an_unreadable_file_is_passed_over_with_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    face_crop(folder / "a.png")
    (folder / "b.jpg").write_bytes(b"no picture")
    face_crop(folder / "c.png", seed=1)
    config = invert_config(tmp_path, str(folder))
    console = Console(file=StringIO(), width=200)
    assert invert(config, console) == 3
    numbers = json.loads((config.out / "faces.json").read_text())
    assert [Path(face["source"]).name for face in numbers["faces"]] == ["a.png", "c.png"]
    (reason,) = numbers["passed_over"]
    assert "b.jpg" in reason
    assert f"passed over: {reason}" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_results_of_an_earlier_run_go(tmp_path: Path) -> None:
    config = invert_config(tmp_path, str(face_crop(tmp_path / "one.png")))
    assert invert(config, quiet()) == 0
    (config.out / "mine.txt").write_text("stays")
    again = replace(config, images=(str(face_crop(tmp_path / "two.png", seed=1)),))
    assert invert(again, quiet()) == 0
    assert sorted(path.name for path in config.out.iterdir()) == [
        *("contact_sheet.png", "faces.json", "mine.txt"),
        *("two.encoder.png", "two.input.png", "two.npz", "two.refined.png"),
    ]


class Nothing:
    """Finds nothing."""

    def analyze_image(self, picture: UInt8Array) -> FrameResult:
        return make_result(0, faces=0)


def test_a_small_picture_without_a_detection_is_a_face_crop() -> None:
    picture = np.zeros((48, 48, 3), np.uint8)
    picture[:24] = 200
    wall = Picture("wall", "wall.png", np.zeros((200, 100, 3), np.uint8))
    found, faceless = find_faces([Picture("crop", "crop.png", picture), wall], Nothing())
    assert faceless == ["wall.png: no face was found in it"]
    assert found.names == ("crop",)
    assert found.sources == ("crop.png",)
    assert (found.crops[0, :30] == 200).all()
    assert (found.crops[0, 34:] == 0).all()


def test_folders_are_read_in_order_and_other_sources_refused(tmp_path: Path) -> None:
    for name, level in (("b", 20), ("a", 10)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((16, 16, 3), level, np.uint8))
    pictures, unreadable = read_pictures([str(tmp_path)])
    assert [(p.name, int(p.image[0, 0, 0])) for p in pictures] == [("a", 10), ("b", 20)]
    assert unreadable == []
    with pytest.raises(ConfigError, match="expected pictures"):
        read_pictures(["demo:"])
    with pytest.raises(SourceError):
        read_pictures([str(tmp_path / "missing.png")])


def test_missing_weights_are_named_before_anything_is_read(tmp_path: Path) -> None:
    config = InvertConfig(
        images=("x.png",), out=tmp_path, device="cpu", generator=tmp_path / "g.safetensors"
    )
    with pytest.raises(EngineError, match=r"g\.safetensors"):
        invert(config, quiet())


def test_the_curve_falls_with_the_loss() -> None:
    curve = loss_curve(np.linspace(1, 0, 50, dtype=np.float32), 60, 40)
    dark = (curve[2:-2, 2:-2] != 255).any(axis=2)
    left, right = np.flatnonzero(dark[:, 4]).mean(), np.flatnonzero(dark[:, -5]).mean()
    assert left < 8
    assert right > 28


def test_the_numbers_never_replace_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "wall.png"
    cv2.imwrite(str(picture), np.full((300, 300, 3), 90, np.uint8))
    before = picture.read_bytes()
    with pytest.raises(ConfigError, match="is the input"):
        invert(invert_config(tmp_path, str(picture), json=picture), quiet())
    assert picture.read_bytes() == before


def test_small_pictures_have_the_faces_that_a_run_finds_in_them(tmp_path: Path) -> None:
    """Faces that fill 160 px: another way of finding them once passed over 15 of 40."""
    folder = tmp_path / "faces"
    folder.mkdir()
    rows = pq.read_table(shared_file("data/fer/public_test.parquet"), columns=["image"])
    for number, data in enumerate(rows["image"][:40].to_pylist()):
        face = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        large = cv2.resize(face, (160, 160), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number}.png"), large)
    with Session(refine=False, device="cpu") as session:
        run = {r.frame.stream: len(r.faces) for r in session.analyze(folder)}
    config = invert_config(tmp_path, str(folder))
    assert invert(config, quiet()) == 0
    numbers = json.loads((config.out / "faces.json").read_text())
    assert numbers["passed_over"] == []
    found = Counter(face["name"].partition("-")[0] for face in numbers["faces"])
    assert found == run
    assert len(found) == 40
