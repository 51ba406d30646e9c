from __future__ import annotations

import io
import pickle
from pathlib import Path

import pytest
import torch

from streamfer.models.tensor_pickle import TensorPickleError, read_networks
from tests.support.network_pickle import write_network_pickle

TENSORS = {
    "mapping.w_avg": torch.arange(4.0),
    "synthesis.b4.conv1.weight": torch.randn(2, 3, 3, 3).half(),
    "synthesis.b4.conv1.noise_strength": torch.tensor(0.5, dtype=torch.float64),
}


def test_tensors_are_read_under_their_names(tmp_path: Path) -> None:
    path = write_network_pickle(tmp_path / "net.pkl", TENSORS)
    with path.open("rb") as file:
        networks = read_networks(file)
    assert networks.keys() == {"G", "G_ema"}
    for tensors in networks.values():
        assert tensors.keys() == TENSORS.keys()
        assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
        assert all(tensors[name].dtype == TENSORS[name].dtype for name in TENSORS)


def test_the_source_in_a_file_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    source = f"open({str(mark)!r}, 'w')"
    path = write_network_pickle(tmp_path / "net.pkl", TENSORS, source)
    with path.open("rb") as file:
        read_networks(file)
    assert not mark.exists()


class Call:
    """Calls something when it is unpickled."""

    def __init__(self, function: object, *arguments: object) -> None:
        self._call = function, arguments

    def __reduce__(self) -> object:
        return self._call


@pytest.mark.parametrize("content", [Call(Path.touch, "mark"), {"G_ema": Call(eval, "1 / 0")}])
def test_foreign_names_are_refused(content: object) -> None:
    with pytest.raises(TensorPickleError, match="which no published network does"):
        read_networks(io.BytesIO(pickle.dumps(content)))


def test_functions_of_known_packages_are_not_called(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    content = {"G": Call(torch.save, torch.ones(1), str(mark))}
    assert read_networks(io.BytesIO(pickle.dumps(content))) == {}
    assert not mark.exists()


def test_anything_in_place_of_numbers_is_refused() -> None:
    buffer = io.BytesIO()
    torch.save({"a": 1}, buffer)
    content = Call(torch.storage._load_from_bytes, buffer.getvalue())
    with pytest.raises(TensorPickleError, match="holds a dict in place of numbers"):
        read_networks(io.BytesIO(pickle.dumps(content)))


def test_other_content_is_refused() -> None:
    with pytest.raises(TensorPickleError, match="holds no networks by name"):
        read_networks(io.BytesIO(pickle.dumps([1, 2])))
