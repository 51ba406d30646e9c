import shutil
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from streamfer.errors import ConfigError
from streamfer.labels import LABELS
from streamfer.training.data_summary import print_summary
from streamfer.training.faces.image_tree import read_image_tree
from streamfer.training.reading import Coding, Reading
from tests.support.labelled_faces import write_tree


@pytest.mark.parametrize(
    ("name", "label", "subject"),
    [
        ("anger/S010_004_00000017.png", "angry", "S010"),
        ("sadness/S130_001_00000003.png", "sad", "S130"),
        ("Happy/picture.png", "happy", None),
        ("afraid/AF01AFS.png", "fear", "F01"),
        ("AF01/AF01ANS.png", "angry", "F01"),
        ("BM12/BM12SUHL.PNG", "surprise", "M12"),
    ],
)
def test_layouts(tmp_path: Path, name: str, label: str, subject: str | None) -> None:
    faces = read_image_tree(write_tree(tmp_path, [(name, 3)]))
    assert faces.classes.tolist() == [LABELS.index(label)]
    assert faces.subjects == ((subject,) if subject else ())
    assert faces.names == (name,)
    assert not faces.votes.any()


@pytest.mark.parametrize(
    ("coding", "folder", "label"),
    [
        ("rafdb", "1", "surprise"),
        ("rafdb", "7", "neutral"),
        ("ckplus", "1", "angry"),
        ("ckplus", "7", "surprise"),
        ("fer2013", "0", "angry"),
        ("affectnet", "1", "happy"),
        ("kdef", "AN", "angry"),
    ],
)
def test_codes_mean_what_their_set_means_by_them(
    tmp_path: Path, coding: Coding, folder: str, label: str
) -> None:
    write_tree(tmp_path, [(f"{folder}/a.png", 3)])
    faces = read_image_tree(tmp_path, Reading(coding))
    assert faces.classes.tolist() == [LABELS.index(label)]
    assert faces.summary.mapping == {folder: label}
    assert faces.summary.lines()[0] == f"classes: {folder} → {label}"


def test_numbers_alone_are_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, [("1/S010_004_00000017.png", 0)])
    with pytest.raises(ConfigError, match=r"folder '1' is a number.*--coding ckplus\|rafdb\|"):
        read_image_tree(tmp_path)
    with pytest.raises(ConfigError, match="--coding: expected one of ckplus"):
        Reading("jaffe")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reading", "subject"),
    [
        (Reading(subjects="folder:1"), "anna"),
        (Reading(subjects=r"pattern:^(\w+)-"), "p7"),
        (Reading(subjects=r"pattern:\d"), "7"),
    ],
)
def test_subjects_are_where_the_user_says(tmp_path: Path, reading: Reading, subject: str) -> None:
    write_tree(tmp_path, [("anna/happy/p7-1.png", 3)])
    assert read_image_tree(tmp_path, reading).subjects == (subject,)


@pytest.mark.parametrize("rule", ["folder:0", "folder:x", "name:x", "pattern:(", "pattern:"])
def test_other_rules_for_subjects_are_refused(rule: str) -> None:
    with pytest.raises(ConfigError, match="--subjects"):
        Reading(subjects=rule)


@pytest.mark.parametrize("rule", ["folder:3", "pattern:^q", "column:person"])
def test_a_file_that_does_not_tell_its_subject_is_named(tmp_path: Path, rule: str) -> None:
    write_tree(tmp_path, [("anna/happy/p7-1.png", 3)])
    with pytest.raises(ConfigError, match="--subjects"):
        read_image_tree(tmp_path, Reading(subjects=rule))


def test_what_is_no_face_of_the_seven_is_passed_over_and_counted(tmp_path: Path) -> None:
    write_tree(tmp_path, [("contempt/S1_1.png", 0), ("contempt/S1_3.png", 0), ("fear/S1_2.png", 2)])
    (tmp_path / "sad").mkdir()
    (tmp_path / "fear" / "b.jpg").write_bytes(b"no picture")
    faces = read_image_tree(tmp_path)
    assert faces.classes.tolist() == [2]
    assert faces.summary.lines() == [
        "classes: fear → fear",
        "no face of: angry, disgust, happy, sad, surprise, neutral",
        "passed over 2: folder 'contempt' is not a class (contempt/S1_1.png, contempt/S1_3.png)",
        "passed over 1: the image cannot be decoded (fear/b.jpg)",
    ]
    console = Console(file=StringIO(), width=120)
    print_summary("training", faces.summary, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "training: 1 faces, 1 subjects" in text
    assert "passed over 1: the image cannot be decoded (fear/b.jpg)" in text
    for broken in ("contempt", "fear/b.jpg"):
        with pytest.raises(ConfigError, match=r"--strict"):
            read_image_tree(tmp_path, Reading(strict=True))
        path = tmp_path / broken
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert len(read_image_tree(tmp_path, Reading(strict=True))) == 1


def test_large_pictures_are_reduced(tmp_path: Path) -> None:
    faces = read_image_tree(write_tree(tmp_path, [("happy/a.png", 3)], side=600))
    assert faces.pictures[0].shape == (256, 256)


def test_a_folder_that_is_no_class_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder 'bored' is not a class"):
        read_image_tree(write_tree(tmp_path, [("bored/a.png", 0)]))


def test_an_empty_tree_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no images in class folders"):
        read_image_tree(tmp_path)


@pytest.mark.parametrize("shape", [(1, 600), (600, 1)])
def test_of_a_strip_a_pixel_is_left(tmp_path: Path, shape: tuple[int, int]) -> None:
    write_tree(tmp_path, [("happy/a.png", 3)])
    cv2.imwrite(str(tmp_path / "happy" / "strip.png"), np.zeros(shape, np.uint8))
    strip = read_image_tree(tmp_path).pictures[1]
    assert sorted(strip.shape) == [1, 256]


def test_large_pictures_keep_their_proportions(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (501, 380), dtype=np.uint8)
    (tmp_path / "happy").mkdir()
    cv2.imwrite(str(tmp_path / "happy" / "a.png"), picture)
    factor = 256 / 501
    expected = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    assert np.array_equal(read_image_tree(tmp_path).pictures[0], expected)
