import cv2
import numpy as np
import pytest

from streamfer.training.faces.sketch import pencil_sketch


def test_a_flat_picture_becomes_white() -> None:
    assert (pencil_sketch(np.full((16, 16), 90, np.uint8)) == 255).all()


def test_a_dark_line_stays_and_the_rest_is_white() -> None:
    picture = np.full((32, 32), 200, np.uint8)
    picture[:, 16] = 40
    sketch = pencil_sketch(picture)
    assert (sketch[:, 16] < 120).all()
    assert (sketch[:, :12] == 255).all()


@pytest.mark.parametrize("kernel", [3, 5])
def test_it_is_the_papers_formula(kernel: int) -> None:
    picture = np.random.default_rng(0).integers(1, 255, (20, 20), dtype=np.uint8)
    inverted = 255 - picture
    blurred = cv2.GaussianBlur(inverted, (kernel, kernel), 0)
    expected = picture.astype(float) / np.maximum(255.0 - blurred, 1e-9) * 255
    assert np.abs(pencil_sketch(picture, kernel) - np.clip(expected, 0, 255)).max() <= 1


def test_colours_are_weighted_as_bt_601() -> None:
    colours = np.zeros((8, 24, 3), np.uint8)
    colours[:, :8, 0] = colours[:, 8:16, 1] = colours[:, 16:, 2] = 255
    gray = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)
    assert np.array_equal(pencil_sketch(colours), pencil_sketch(gray))
    assert [int(gray[0, x]) for x in (0, 8, 16)] == [76, 150, 29]


def test_black_does_not_divide_by_zero() -> None:
    assert pencil_sketch(np.zeros((8, 8), np.uint8)).dtype == np.uint8
