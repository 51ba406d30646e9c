from pathlib import Path

import pytest

from streamfer.errors import ConfigError
from streamfer.labels import LABELS
from streamfer.training.faces.image_tree import read_image_tree
from tests.support.labelled_faces import write_tree


@pytest.mark.parametrize(
    ("name", "label", "subject"),
    [
        ("anger/S010_004_00000017.png", "angry", "S010"),
        ("sadness/S130_001_00000003.png", "sad", "S130"),
        ("Happy/picture.png", "happy", None),
        ("1/train_00001_aligned.png", "surprise", None),
        ("7/test_00001_aligned.png", "neutral", None),
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


def test_contempt_is_passed_over(tmp_path: Path) -> None:
    write_tree(tmp_path, [("contempt/S1_1.png", 0), ("fear/S1_2.png", 2)])
    assert read_image_tree(tmp_path).classes.tolist() == [2]


def test_large_pictures_are_reduced(tmp_path: Path) -> None:
    faces = read_image_tree(write_tree(tmp_path, [("happy/a.png", 3)], side=600))
    assert faces.pictures[0].shape == (256, 256)


def test_a_folder_that_is_no_class_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder 'bored' is not a class"):
        read_image_tree(write_tree(tmp_path, [("bored/a.png", 0)]))


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    write_tree(tmp_path, [("happy/a.png", 3)])
    (tmp_path / "happy" / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match=r"b\.jpg: the image cannot be decoded"):
        read_image_tree(tmp_path)


def test_an_empty_tree_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no images in class folders"):
        read_image_tree(tmp_path)
