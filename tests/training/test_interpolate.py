"""Between two generators lie others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from streamfer.errors import ConfigError
from streamfer.models.storage import load_generator, save_generator
from streamfer.models.stylegan2 import Generator, GeneratorConfig
from streamfer.training.interpolate import interpolated, main

TINY = GeneratorConfig(channels=(8, 8), z_dim=4, w_dim=4, mapping_layers=1)


def _generator(seed: int, config: GeneratorConfig = TINY) -> Generator:
    torch.manual_seed(seed)
    generator = Generator(config)
    torch.nn.init.normal_(generator.mapping.w_avg)
    return generator.requires_grad_(False)


def test_every_weight_lies_between() -> None:
    first, second = _generator(1), _generator(2)
    between = interpolated(first, second, 0.25).state_dict()
    for name, value in between.items():
        expected = 0.75 * first.state_dict()[name] + 0.25 * second.state_dict()[name]
        torch.testing.assert_close(value, expected)


def test_the_ends_are_the_generators_themselves() -> None:
    first, second = _generator(1), _generator(2)
    z = torch.randn(2, 4)
    for share, end in ((0.0, first), (1.0, second)):
        torch.testing.assert_close(interpolated(first, second, share)(z), end(z))


def test_what_cannot_be_joined_is_refused() -> None:
    with pytest.raises(ConfigError, match="different shapes"):
        interpolated(_generator(1), _generator(1, GeneratorConfig(channels=(8, 4))), 0.5)
    with pytest.raises(ConfigError, match=r"between 0 and 1, not at 1\.5"):
        interpolated(_generator(1), _generator(2), 1.5)


def test_the_command_writes_a_generator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    for seed, file in enumerate(files):
        save_generator(_generator(seed), file, {})
    ends = [f"--first={files[0]}", f"--second={files[1]}"]
    assert main([*ends, "--share=0.5", f"--out={tmp_path / 'c'}"]) == 0
    z = torch.randn(2, 4)
    expected = interpolated(*map(load_generator, files), 0.5)(z)
    torch.testing.assert_close(load_generator(tmp_path / "c")(z), expected, rtol=0.05, atol=0.02)
    assert main([*ends, "--share=2", f"--out={tmp_path / 'd'}"]) == 2
    assert "a share lies between 0 and 1" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()
    assert main([*ends[:1], "--second=/none", "--share=1", "--out=/none"]) != 0
    assert "/none" in capsys.readouterr().err
