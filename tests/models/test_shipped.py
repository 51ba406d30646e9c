from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from streamfer.errors import EngineError
from streamfer.models.shipped import WeightFiles, digest, file_digest, weights_sha256
from tests.support.latent import write_card


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"numbers")
    return path


def test_the_card_must_describe_the_file(weights: Path) -> None:
    right = hashlib.sha256(b"numbers").hexdigest()
    assert file_digest(weights) == right
    write_card(weights, right)
    assert file_digest(weights) == right
    weights.write_bytes(b"Numbers")
    with pytest.raises(EngineError, match=r"net\.safetensors: damaged or replaced.*net\.md"):
        file_digest(weights)


def test_weights_of_one_s_own_need_no_card(weights: Path) -> None:
    assert weights_sha256(weights) == hashlib.sha256(b"numbers").hexdigest()
    with pytest.raises(EngineError, match=r"gone\.safetensors: cannot read the weights"):
        weights_sha256(weights.with_name("gone.safetensors"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"net\.safetensors: cannot read the weights"):
        file_digest(tmp_path / "net.safetensors")


def test_a_digest_knows_every_file_and_their_order(weights: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"more")
    assert len({digest([weights]), digest([weights, other]), digest([other, weights])}) == 3


def test_the_face_network_is_fused_only_where_all_of_it_is_there(tmp_path: Path) -> None:
    files = WeightFiles(tmp_path)
    for path in files.networks[:-1]:
        path.touch()
    assert files.face_network == (files.classifier,)
    files.fused_heads.touch()
    assert files.face_network == (files.classifier, files.encoder, files.fused_heads)
