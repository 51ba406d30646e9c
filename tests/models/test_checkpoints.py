from __future__ import annotations

import argparse
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from streamfer.errors import EngineError
from streamfer.models.checkpoints import load_strictly, read_checkpoint, read_state_dict

TENSORS = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}


def save(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    "content",
    [
        TENSORS,
        {f"module.{name}": value for name, value in TENSORS.items()},
        {"state_dict": TENSORS, "epoch": 3},
    ],
)
def test_the_usual_forms_are_read(tmp_path: Path, content: object) -> None:
    tensors = read_state_dict(save(tmp_path / "a.pth", content))
    assert list(tensors) == ["weight", "bias"]
    assert torch.equal(tensors["weight"], TENSORS["weight"])


def test_a_zip_of_one_checkpoint_is_read(tmp_path: Path) -> None:
    inner = save(tmp_path / "inner.pth", TENSORS)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(inner, "inner.pth")
    assert list(read_state_dict(tmp_path / "a.zip")) == ["weight", "bias"]


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return Path.touch, (self.path,)


def test_no_code_in_a_file_runs(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    torch.save({"weight": Bomb(mark)}, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Bomb(mark), protocol=2))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(EngineError, match="not a file of weights, or damaged"):
            read_state_dict(tmp_path / name)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 broken"])
def test_damaged_files_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(EngineError, match=r"a\.pth: not a file of weights, or damaged") as caught:
        read_state_dict(tmp_path / "a.pth")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"a\.pth: cannot read the weights: No such file"):
        read_state_dict(tmp_path / "a.pth")


@pytest.mark.parametrize("content", [[torch.ones(1)], {"weight": 3}, torch.ones(2)])
def test_other_content_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(EngineError, match="not a file of named tensors"):
        read_state_dict(save(tmp_path / "a.pth", content))


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({"weight": TENSORS["weight"]}, r"keys 1 missing \(bias\)"),
        ({**TENSORS, "more": torch.ones(1)}, r"keys 1 extra \(more\)"),
        (
            {**TENSORS, "bias": torch.ones(3)},
            r"keys 1 of another shape \(bias \(3,\) for \(2,\)\)",
        ),
        (
            {c: torch.ones(1) for c in "abcde"},
            r"keys 2 missing \(weight, bias\); 5 extra \(a, b, c and 2 more\)",
        ),
    ],
)
def test_every_key_must_fit(tensors: dict[str, torch.Tensor], says: str) -> None:
    with pytest.raises(EngineError, match=says):
        load_strictly(nn.Linear(3, 2), tensors, Path("a.pth"))


def test_what_fits_is_loaded() -> None:
    linear = nn.Linear(3, 2)
    load_strictly(linear, TENSORS, Path("a.pth"))
    assert torch.equal(linear.weight, TENSORS["weight"])


def test_safetensors_are_read_whatever_the_file_is_called(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "a.pth")
    assert read_state_dict(tmp_path / "a.pth").keys() == TENSORS.keys()


def test_files_of_old_torch_are_read(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert list(read_state_dict(tmp_path / "a.pth")) == ["weight", "bias"]


def test_a_trainers_options_are_no_hindrance(tmp_path: Path) -> None:
    content = {"g_ema": TENSORS, "args": argparse.Namespace(size=256)}
    read = read_checkpoint(save(tmp_path / "a.pt", content))
    assert read["g_ema"].keys() == TENSORS.keys()


def test_a_tensor_larger_than_its_file_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {"weight": torch.ones(1).expand(1 << 40)})
    with pytest.raises(EngineError, match="weight claims more numbers than the file holds"):
        read_state_dict(path)


@pytest.mark.parametrize("value", [torch.eye(3).to_sparse(), torch.ones(1, device="meta")])
def test_tensors_without_numbers_of_their_own_are_refused(
    tmp_path: Path, value: torch.Tensor
) -> None:
    path = save(tmp_path / "a.pth", {"weight": value})
    with pytest.raises(EngineError, match=r"weight is no ordinary tensor|damaged"):
        read_state_dict(path)
