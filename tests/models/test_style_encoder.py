"""Our encoders against the published ones.

`fixtures/style_encoder_*.npz` hold what the encoders of `encoder4editing` and
`pixel2style2pixel` answered in float64 at a quarter of their width, for a generator of 32 px and a
picture of 64 px, with the weights that `plain_weights` makes.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamfer.models.style_encoder import (
    Encoder4Editing,
    GradualStyleEncoder,
    StyleEncoderConfig,
)
from tests.support.published import largest_difference, plain_weights, published_keys, recorded


@pytest.mark.parametrize(
    ("size", "config"),
    [("32", StyleEncoderConfig(num_ws=8, width=16)), ("1024", StyleEncoderConfig())],
)
def test_keys_are_the_published_ones(size: str, config: StyleEncoderConfig) -> None:
    with torch.device("meta"):
        own = GradualStyleEncoder(config).state_dict()
    expected = published_keys("style_encoder", size)
    assert {key: list(value.shape) for key, value in own.items()} == expected


@pytest.mark.parametrize(
    ("kind", "network"), [("e4e", Encoder4Editing), ("psp", GradualStyleEncoder)]
)
def test_answers_are_the_published_ones(kind: str, network: type[GradualStyleEncoder]) -> None:
    encoder = network(StyleEncoderConfig(num_ws=8, width=16)).double().eval()
    encoder.load_state_dict(plain_weights(published_keys("style_encoder", "32")))
    picture = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 3, 64, 64)))
    with torch.no_grad():
        styles = encoder(picture)
    assert largest_difference(styles, recorded(f"style_encoder_{kind}")["styles"]) < 1e-6


def test_published_pictures_have_256_pixels() -> None:
    with torch.device("meta"):
        encoder = Encoder4Editing(StyleEncoderConfig())
        assert encoder(torch.zeros(2, 3, 256, 256)).shape == (2, 18, 512)
