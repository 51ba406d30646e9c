"""The optimiser finds codes, keeps the best, and stops when told."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from streamfer.models.inversion.descent import InversionConfig, LossWeights
from streamfer.models.inversion.inversion import Inverter
from streamfer.models.inversion.search import feature_distance, pixel_mse
from streamfer.models.stylegan2 import Generator, GeneratorConfig, to_uint8

TINY = GeneratorConfig(channels=(8, 8, 8), z_dim=8, w_dim=8, mapping_layers=2)


def coarse(images: Tensor) -> Sequence[Tensor]:
    """A lens that sees two coarse copies of the picture."""
    return [F.avg_pool2d(images, 2) + 1, F.avg_pool2d(images, 4) + 1]


class SteppedClock:
    """Advances by a fixed time at each reading."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._now_s = 0.0

    def __call__(self) -> float:
        self._now_s += self._step_s
        return self._now_s


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(TINY).freeze()


def drawn_faces(generator: Generator, count: int) -> tuple[Tensor, Tensor]:
    """Pictures that the generator can draw, and starts a little beside their codes."""
    random = torch.Generator().manual_seed(1)
    ws = generator.styles(torch.randn(count, 8, generator=random))
    start = ws + 0.3 * ws.std() * torch.randn(ws.shape, generator=random)
    return to_uint8(generator.synthesis(ws)[:, 0]), start


def inverter(
    generator: Generator, config: InversionConfig, clock: Callable[[], float] | None = None
) -> Inverter:
    return Inverter(generator, coarse, config, clock or SteppedClock(0.0))


def test_it_finds_faces_that_the_generator_can_draw(generator: Generator) -> None:
    faces, start = drawn_faces(generator, 3)
    result = inverter(generator, InversionConfig(steps=60, patience=60)).invert(faces, start)
    assert result.latent.shape == start.shape
    assert result.reconstruction.shape == faces.shape
    assert (result.feature_loss < 0.5 * result.feature_loss_start).all()
    assert (result.mse < 0.5 * result.mse_start).all()


def test_reconstruction_and_mse_belong_to_the_latent(generator: Generator) -> None:
    faces, start = drawn_faces(generator, 2)
    result = inverter(generator, InversionConfig(steps=15)).invert(faces, start)
    image = generator.synthesis(result.latent)
    drawn = result.reconstruction.int() - to_uint8(image[:, 0]).int()
    assert drawn.abs().max() <= 1
    expected = pixel_mse(image, faces[:, None].float() / 127.5 - 1)
    torch.testing.assert_close(result.mse, expected, rtol=1e-4, atol=1e-6)


def test_the_best_code_is_kept_not_the_last(generator: Generator) -> None:
    faces, start = drawn_faces(generator, 2)
    wild = InversionConfig(steps=20, learning_rate=5.0, patience=20)
    result = inverter(generator, wild).invert(faces, start)
    assert (result.mse <= result.mse_start).all()
    assert (result.history[-1] > result.history.min(dim=0).values).any()


def test_faces_of_a_batch_do_not_influence_each_other(generator: Generator) -> None:
    faces, start = drawn_faces(generator, 3)
    config = InversionConfig(steps=10)
    together = inverter(generator, config).invert(faces, start)
    alone = inverter(generator, config).invert(faces[1:2], start[1:2])
    torch.testing.assert_close(together.latent[1:2], alone.latent, rtol=1e-3, atol=1e-4)


def test_the_pull_keeps_codes_near_their_start(generator: Generator) -> None:
    faces, start = drawn_faces(generator, 2)
    moved = [
        (
            inverter(generator, InversionConfig(steps=20, weights=LossWeights(pull=weight)))
            .invert(faces, start)
            .latent
            - start
        )
        .square()
        .mean()
        for weight in (0.0, 10.0)
    ]
    assert moved[1] < 0.5 * moved[0]


def test_the_budget_ends_it(generator: Generator) -> None:
    faces, start = drawn_faces(generator, 1)
    config = InversionConfig(steps=100, budget_ms=100, patience=100)
    result = inverter(generator, config, SteppedClock(0.010)).invert(faces, start)
    assert 5 <= result.steps <= 10
    assert result.seconds >= 0.1


def test_no_progress_ends_it(generator: Generator) -> None:
    faces, start = drawn_faces(generator, 1)
    config = InversionConfig(steps=100, learning_rate=0.0, patience=4)
    assert inverter(generator, config).invert(faces, start).steps == 5


def test_no_steps_gives_the_start(generator: Generator) -> None:
    faces, start = drawn_faces(generator, 1)
    result = inverter(generator, InversionConfig(steps=0)).invert(faces, start)
    torch.testing.assert_close(result.latent, start)
    torch.testing.assert_close(result.mse, result.mse_start)


def test_an_earlier_batch_leaves_no_trace(generator: Generator) -> None:
    faces, start = drawn_faces(generator, 4)
    config = InversionConfig(steps=8)
    used = inverter(generator, config)
    used.invert(faces[:2], start[:2])
    again, fresh = (x.invert(faces[2:], start[2:]) for x in (used, inverter(generator, config)))
    torch.testing.assert_close(again.latent, fresh.latent)
    torch.testing.assert_close(again.history, fresh.history)


@pytest.mark.gpu
def test_on_a_gpu_it_finds_as_good_codes(generator: Generator) -> None:
    if not torch.cuda.is_available():
        assert os.environ.get("REQUIRE_GPU") != "1", "REQUIRE_GPU=1, but there is no GPU"
        pytest.skip("no GPU")
    faces, start = drawn_faces(generator, 3)
    config = InversionConfig(steps=40, patience=40)
    on_cpu = inverter(generator, config).invert(faces, start)
    on_gpu_inverter = inverter(copy.deepcopy(generator).cuda(), config)
    for _ in range(2):  # the second one is replayed from its first step
        on_gpu = on_gpu_inverter.invert(faces, start)
        torch.testing.assert_close(on_gpu.mse, on_cpu.mse, rtol=0.1, atol=1e-4)


def test_feature_distance_is_relative_to_the_target() -> None:
    target = [torch.full((2, 3, 4, 4), 2.0), torch.full((2, 5, 2, 2), 10.0)]
    features = [t * torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1) for t in target]
    torch.testing.assert_close(feature_distance(features, target), torch.tensor([0.0, 1.0]))
