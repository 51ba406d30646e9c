"""The generator against a slow, literal reading of the paper, and its exported form."""

from __future__ import annotations

import math

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from streamfer.models.onnx_export import export_onnx
from streamfer.models.stylegan2 import Generator, GeneratorConfig, from_uint8, to_uint8
from streamfer.models.stylegan2_layers import ModulatedConv, resampling_filter, upsampling_conv

TINY = GeneratorConfig(channels=(8, 8, 8), z_dim=8, w_dim=8, mapping_layers=2)


def tiny_generator(**changes: object) -> Generator:
    torch.manual_seed(0)
    generator = Generator(TINY)
    for name, parameter in generator.named_parameters():
        if name.endswith(("noise_strength", "bias")):
            torch.nn.init.normal_(parameter, 0.5, 0.3)
    return generator


def modulated_conv_by_weights(
    layer: ModulatedConv, x: Tensor, w: Tensor, demodulate: bool
) -> Tensor:
    """Eq. 1–3 as written: one set of weights per sample."""
    _, in_channels, k, _ = layer.weight.shape
    style = w @ layer.affine.weight.T / math.sqrt(w.shape[1]) + layer.affine.bias
    outputs = []
    for sample, scales in zip(x, style, strict=True):
        weight = layer.weight * scales[None, :, None, None] / math.sqrt(in_channels * k * k)
        if demodulate:
            weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        outputs.append(F.conv2d(sample[None], weight, padding=k // 2))
    return torch.cat(outputs)


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_scaling_activations_equals_scaling_weights(demodulate: bool, kernel_size: int) -> None:
    torch.manual_seed(1)
    layer = ModulatedConv(5, 7, kernel_size, 6, demodulate=demodulate).double()
    x, w = torch.randn(3, 5, 9, 9, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64)
    torch.testing.assert_close(
        layer(x, w), modulated_conv_by_weights(layer, x, w, demodulate), rtol=1e-6, atol=1e-9
    )


def upsample_by_insertion(x: Tensor, weight: Tensor) -> Tensor:
    """Zeros between the pixels, convolution, blur: what the transposed convolution stands for."""
    n, channels, height, width = x.shape
    spread = torch.zeros(n, channels, 2 * height - 1, 2 * width - 1, dtype=x.dtype)
    spread[:, :, ::2, ::2] = x
    y = F.conv2d(F.pad(spread, (2, 2, 2, 2)), weight.flip(2, 3))
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype) / 4
    kernel = torch.outer(taps, taps).expand(weight.shape[0], 1, 4, 4)
    return F.conv2d(F.pad(y, (1, 1, 1, 1)), kernel, groups=weight.shape[0])


def test_upsampling_convolution_is_insertion_convolution_and_blur() -> None:
    torch.manual_seed(2)
    layer = ModulatedConv(4, 6, 3, 6, demodulate=False, upsample=True).double()
    x, w = torch.randn(2, 4, 5, 5, dtype=torch.float64), torch.randn(2, 6, dtype=torch.float64)
    scaled = x * layer.affine(w)[:, :, None, None]
    expected = upsample_by_insertion(scaled, layer.weight / math.sqrt(4 * 9))
    torch.testing.assert_close(layer(x, w), expected, rtol=1e-9, atol=1e-9)


def test_composed_with_its_blur_it_is_the_same_convolution() -> None:
    torch.manual_seed(3)
    x, weight = (torch.randn(*s, dtype=torch.float64) for s in ((2, 4, 5, 7), (6, 4, 3, 3)))
    kernel = resampling_filter(gain=4)
    in_turn, at_once = (upsampling_conv(x, weight, kernel, compose=c) for c in (False, True))
    assert in_turn.shape == (2, 6, 10, 14)
    torch.testing.assert_close(at_once, in_turn, rtol=1e-9, atol=1e-9)


def test_picture_is_the_sum_of_upsampled_contributions() -> None:
    generator = tiny_generator().double()
    ws = torch.randn(2, TINY.num_ws, TINY.w_dim, dtype=torch.float64)
    x = generator.synthesis.const.expand(2, -1, -1, -1)
    image: Tensor | None = None
    for index, block in enumerate(generator.synthesis.blocks):
        if block.up is not None:
            x = block.up(x, ws[:, 2 * index - 1], "const")
        x = block.conv(x, ws[:, 2 * index], "const")
        addition = block.to_image(x, ws[:, 2 * index + 1])
        if image is None:
            image = addition
        else:
            spread = torch.zeros(2, 1, *(2 * s for s in image.shape[2:]), dtype=x.dtype)
            spread[:, :, ::2, ::2] = image
            taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype) / 4
            kernel = torch.outer(taps, taps)[None, None]
            image = F.conv2d(F.pad(spread, (2, 1, 2, 1)), kernel) + addition
    torch.testing.assert_close(generator.synthesis(ws), image, rtol=1e-9, atol=1e-9)


def test_every_style_and_every_parameter_matters() -> None:
    generator = tiny_generator()
    ws = torch.randn(2, TINY.num_ws, TINY.w_dim, requires_grad=True)
    (generator.synthesis(ws).square().sum() + generator.mapping(torch.randn(2, 8)).sum()).backward()
    assert ws.grad is not None
    assert (ws.grad.abs().sum(dim=(0, 2)) > 0).all()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in generator.parameters())


def test_truncation_draws_towards_the_average() -> None:
    generator = tiny_generator()
    generator.mapping.w_avg.copy_(torch.ones(8))
    z = torch.randn(3, 8)
    full, half, none = (generator.styles(z, psi) for psi in (1.0, 0.5, 0.0))
    torch.testing.assert_close(half, (full + 1) / 2)
    torch.testing.assert_close(none, torch.ones_like(none))


def test_noise_modes() -> None:
    generator = tiny_generator()
    ws = generator.styles(torch.randn(2, 8))
    pictures = {mode: generator.synthesis(ws, mode) for mode in ("const", "none", "random")}
    torch.testing.assert_close(pictures["const"], generator.synthesis(ws, "const"))
    assert not torch.allclose(pictures["const"], pictures["none"])
    assert not torch.allclose(pictures["random"], generator.synthesis(ws, "random"))


def test_frozen_generator_draws_the_same_and_keeps_no_gradients() -> None:
    generator = tiny_generator()
    ws = torch.randn(2, TINY.num_ws, TINY.w_dim)
    before = generator.synthesis(ws)
    torch.testing.assert_close(generator.freeze().synthesis(ws), before.detach())
    assert not any(p.requires_grad for p in generator.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_close_and_stays_finite_with_extreme_styles(dtype: torch.dtype) -> None:
    generator = tiny_generator().freeze()
    ws = torch.randn(2, TINY.num_ws, TINY.w_dim)
    exact, half = generator.synthesis(ws), generator.synthesis(ws, dtype=dtype)
    assert half.dtype == torch.float32
    assert (half - exact).abs().mean() < 0.03 * exact.abs().mean()
    assert torch.isfinite(generator.synthesis(ws * 1e4, dtype=dtype)).all()


def test_exported_to_onnx_it_draws_the_same() -> None:
    generator = tiny_generator().freeze()
    ws = torch.randn(3, TINY.num_ws, TINY.w_dim)
    model = export_onnx(generator.synthesis, [ws], input_names=["ws"], output_names=["image"])
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for batch in (3, 1):
        (image,) = session.run(["image"], {"ws": ws[:batch].numpy()})
        np.testing.assert_allclose(image, generator.synthesis(ws[:batch]), rtol=1e-4, atol=1e-5)


def test_default_shape_costs_about_half_a_gigaflop() -> None:
    config = GeneratorConfig()
    with torch.device("meta"):
        generator = Generator(config)
    assert config.resolution == 64
    assert config.num_ws == 10
    assert sum(p.numel() for p in generator.parameters()) < 3_000_000
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        generator.synthesis(torch.zeros(1, 10, 128, device="meta"))
    assert 0.4e9 < counter.get_total_flops() < 0.6e9


def test_uint8_round_trip() -> None:
    faces = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
    assert torch.equal(to_uint8(from_uint8(faces))[:, 0], faces)
