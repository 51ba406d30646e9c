"""Shape, start and composition of the encoder."""

from __future__ import annotations

import torch

from streamfer.models.encoder import Encoder, EncoderConfig

TINY = EncoderConfig(size=16, channels=(8, 8, 16), blocks=(1, 1, 1), code_dim=16, num_ws=6, w_dim=8)


def test_an_untrained_encoder_answers_the_average_style() -> None:
    encoder = Encoder(TINY)
    encoder.w_avg.copy_(torch.arange(8.0))
    ws = encoder(torch.randn(3, 1, 16, 16))
    torch.testing.assert_close(ws, torch.arange(8.0).expand(3, 6, 8))


def test_later_layers_are_the_first_plus_their_deltas() -> None:
    encoder = Encoder(TINY)
    common, deltas = torch.randn(2, 8), torch.randn(2, 5, 8)
    ws = encoder.compose(common, deltas)
    torch.testing.assert_close(ws[:, 0], common)
    torch.testing.assert_close(ws[:, 1:] - ws[:, :1], deltas)


def test_it_learns_a_code_from_pixels() -> None:
    torch.manual_seed(0)
    encoder = Encoder(TINY)
    faces, target = torch.randn(8, 1, 16, 16), torch.randn(8, 6, 8)
    optimizer = torch.optim.Adam(encoder.parameters(), 0.01)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = (encoder(faces) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_default_shape_is_small() -> None:
    with torch.device("meta"):
        encoder = Encoder(EncoderConfig())
        ws = encoder.eval()(torch.zeros(2, 1, 64, 64))
    assert ws.shape == (2, 10, 128)
    assert sum(p.numel() for p in encoder.parameters()) < 5_000_000
