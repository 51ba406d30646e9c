"""Directions that are moved until what is drawn along them is read as wanted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from streamfer.labels import LABELS
from streamfer.models.directions import Directions
from streamfer.models.inversion.lens import Lens
from streamfer.models.stylegan2 import Generator, GeneratorConfig
from streamfer.models.vgg import FaceVGG, FaceVGGConfig
from streamfer.training.latent.direction_descent import (
    DrawnDirections,
    _basis,
    drawn_directions,
)
from streamfer.training.latent.direction_fit import CodedFaces

HAPPY = LABELS.index("happy")
RECIPE = DrawnDirections(steps=200, batch_size=16, learning_rate=0.1, sure=0.0, bf16=False)


def _start() -> Directions:
    vectors = np.random.default_rng(0).normal(size=(2, 6, 8)).astype(np.float32)
    return Directions(("happy", "yaw"), vectors, vectors.reshape(2, -1))


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    shape = GeneratorConfig(channels=(16, 16, 8), z_dim=4, w_dim=8, mapping_layers=2)
    return Generator(shape).freeze()


@pytest.fixture(scope="module")
def network(generator: Generator) -> FaceVGG:
    """One that does not give all pictures the same answer."""
    torch.manual_seed(1)
    network = FaceVGG(FaceVGGConfig(width=0.1, input_size=16))
    with torch.no_grad():
        drawn = generator.synthesis(torch.randn(64, 6, 8))[:, 0]
        for _ in range(20):
            network(((drawn.clamp(-1, 1) + 1) * 127.5).to(torch.uint8))
        for head in (network.head_ferplus, network.head_fer2013):
            head.weight *= 10
    return network.eval()


@pytest.fixture(scope="module")
def faces(generator: Generator) -> CodedFaces:
    """Ten persons, six pictures of each; then as many of nobody knows whom."""
    random = np.random.default_rng(0)
    codes = random.normal(size=(10, 1, 6, 8)) + 0.5 * random.normal(size=(10, 6, 6, 8))
    codes = np.concatenate([codes.reshape(60, 6, 8), random.normal(size=(60, 6, 8))])
    groups = np.concatenate([np.repeat(np.arange(10), 6), np.full(60, -1)])
    around = np.zeros((120, 4), np.float32)
    return CodedFaces(codes.astype(np.float32), np.zeros(120, np.int64), around, groups)


def _happiness(
    faces: CodedFaces, generator: Generator, network: FaceVGG, vector: np.ndarray
) -> float:
    with torch.inference_mode():
        drawn = generator.synthesis(torch.from_numpy(faces.codes + 12 * vector))
        pictures = ((drawn[:, 0].clamp(-1, 1) + 1) * 127.5).to(torch.uint8)
        return float(network(pictures)[0].log_softmax(dim=1)[:, HAPPY].mean())


def test_faces_are_read_as_wanted_and_the_rest_stays(
    faces: CodedFaces, generator: Generator, network: FaceVGG
) -> None:
    before = _start()
    told: list[int] = []
    free = dataclasses.replace(RECIPE, pixel=0.0, feature=0.0, light=0.0, far=0.0)
    after = drawn_directions(
        before, faces, generator, Lens(network), free, advance=lambda: told.append(1)
    )
    assert told == [1]
    assert np.array_equal(after.vectors[1], before.vectors[1])
    assert np.array_equal(after.scores, before.scores)
    vector = after.vector("happy")
    along = faces.codes.reshape(120, -1) @ vector.ravel() / np.linalg.norm(vector)
    assert np.linalg.norm(vector) == pytest.approx(along.std(), rel=1e-3)
    first = before.vector("happy") / np.linalg.norm(before.vector("happy"))
    first *= np.linalg.norm(vector)
    moved = [_happiness(faces, generator, network, v) for v in (first, vector)]
    assert moved[1] > moved[0] + 0.1
    again = drawn_directions(before, faces, generator, Lens(network), free)
    assert np.array_equal(again.vectors, after.vectors)
    others = drawn_directions(before, faces, generator, Lens(network), free, ("sad",))
    assert np.array_equal(others.vectors, before.vectors)


def test_pictures_that_change_much_are_dear(
    faces: CodedFaces, generator: Generator, network: FaceVGG
) -> None:
    def moved(recipe: DrawnDirections) -> float:
        found = drawn_directions(_start(), faces, generator, Lens(network), recipe)
        with torch.inference_mode():
            codes = torch.from_numpy(faces.codes)
            drawn = generator.synthesis(codes + torch.from_numpy(found.vector("happy")))
            return float((drawn - generator.synthesis(codes)).square().mean())

    assert moved(dataclasses.replace(RECIPE, pixel=1000.0)) < moved(
        dataclasses.replace(RECIPE, pixel=0.0, feature=0.0, light=0.0, far=0.0)
    )


def test_what_only_tells_persons_apart_is_dear() -> None:
    flat = np.random.default_rng(0).normal(size=(120, 8))
    # Persons differ in the first number alone, and much.
    persons = np.repeat(np.arange(20), 6)
    flat[:, 0] = persons

    def price(groups: np.ndarray) -> float:
        """Of a step along the first number, in steps along another."""
        parts = np.linalg.solve(_basis(flat, groups), np.eye(8))
        lengths = (parts**2).sum(axis=0)
        return float(lengths[0] / lengths[1:].mean())

    assert price(persons) > 10 * price(np.full(120, -1))
