"""Curvatures divide gradients, and are used with their own networks alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from streamfer.errors import EngineError
from streamfer.models.inversion.curvature import (
    Curvature,
    curvature_bytes,
    curvature_of,
    networks_digest,
)
from streamfer.models.shipped import SHIPPED


def some_curvature() -> Curvature:
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))[0][:3]
    # In this order in memory files need not be able to hold them.
    return Curvature(
        np.asfortranarray(axes, np.float32), np.array([0.5, 0.1, 0.02], np.float32), 0.003
    )


def test_it_divides_by_what_it_stands_for() -> None:
    curvature = some_curvature()
    axes, values = curvature.axes.astype(float), curvature.values.astype(float)
    others = np.eye(12) - axes.T @ axes
    damped = axes.T @ np.diag(values + 0.001) @ axes + 0.004 * others
    gradient = np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32)
    expected = np.linalg.solve(damped, gradient.reshape(2, 12).T).T.reshape(2, 3, 4)
    np.testing.assert_allclose(curvature.divide(gradient), expected, rtol=1e-4)
    on_torch = Curvature(
        torch.from_numpy(curvature.axes), torch.from_numpy(curvature.values), 0.003
    )
    found = on_torch.divide(torch.from_numpy(gradient))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.fixture
def networks(tmp_path: Path) -> tuple[Path, Path]:
    files = tmp_path / "generator.safetensors", tmp_path / "classifier.safetensors"
    for path in files:
        path.write_bytes(path.name.encode())
    return files


def test_it_is_of_two_networks(tmp_path: Path, networks: tuple[Path, Path]) -> None:
    path, kept = tmp_path / "curvature.safetensors", some_curvature()
    assert curvature_of(*networks, path) is None
    path.write_bytes(curvature_bytes(kept, networks_digest(*networks), {"faces": 1}))
    found = curvature_of(*networks, path)
    assert found is not None
    np.testing.assert_allclose(found.axes, kept.axes, atol=1e-3)
    np.testing.assert_array_equal(found.values, kept.values)
    assert found.rest == kept.rest
    networks[1].write_bytes(b"another")
    assert curvature_of(*networks, path) is None


@pytest.mark.parametrize(
    ("tensors", "metadata"),
    [
        ({"axes": np.zeros((2, 4))}, {}),
        ({}, {"rest": "much"}),
        ({}, {"rest": "nan"}),
        ({}, {"schema": "streamfer.curvature/2"}),
        ({"values": np.array([1.0])}, {}),
        ({"values": np.array([1.0, -1.0])}, {}),
        ({"axes": np.full((2, 4), np.nan), "values": np.zeros(2)}, {}),
    ],
    ids=["no values", "a word", "no number", "schema", "too few", "negative", "NaN"],
)
def test_what_is_no_curvature_is_refused(
    tensors: dict[str, np.ndarray],
    metadata: dict[str, str],
    tmp_path: Path,
    networks: tuple[Path, Path],
) -> None:
    path = tmp_path / "curvature.safetensors"
    usual = {"schema": "streamfer.curvature/1", "networks": "", "rest": "0.1"}
    arrays = tensors if "axes" in tensors else {"axes": np.zeros((2, 4)), "values": np.zeros(2)}
    save_file({**arrays, **tensors}, path, {**usual, **metadata})
    with pytest.raises(EngineError, match=r"curvature\.safetensors: "):
        curvature_of(*networks, path)
    path.write_bytes(b"not one")
    with pytest.raises(EngineError, match=r"curvature\.safetensors: cannot read"):
        curvature_of(*networks, path)


def test_the_shipped_one_is_of_the_shipped_networks() -> None:
    curvature = curvature_of(SHIPPED.generator, SHIPPED.classifier)
    assert curvature is not None
    assert curvature.axes.shape == (64, 1280)
    np.testing.assert_allclose(curvature.axes @ curvature.axes.T, np.eye(64), atol=0.01)
    assert (np.diff(curvature.values) <= 0).all()
    assert curvature.values[-1] > 10 * curvature.rest
    assert load_file(SHIPPED.curvature)["axes"].dtype == np.float16
