"""Weights come back as they were, and wrong files are named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from streamfer.errors import EngineError
from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.fused import FUSED_SCHEMA, load_fused_heads
from streamfer.models.fused_file import FUSED_NETWORK_SCHEMA, load_fused_network
from streamfer.models.latent_per import LATENT_PER_SCHEMA, load_latent_per
from streamfer.models.storage import (
    load_encoder,
    load_generator,
    read_tensors,
    save_encoder,
    save_generator,
)
from streamfer.models.stylegan2 import Generator, GeneratorConfig

GENERATOR = GeneratorConfig(channels=(8, 8), z_dim=8, w_dim=8, mapping_layers=2)
ENCODER = EncoderConfig(size=16, channels=(8, 8), blocks=(1, 1), code_dim=16, num_ws=4, w_dim=8)


def test_generator_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = Generator(GENERATOR)
    save_generator(generator, tmp_path / "g.safetensors", {"seed": "0"})
    loaded = load_generator(tmp_path / "g.safetensors")
    z = torch.randn(2, 8)
    assert loaded.config == GENERATOR
    torch.testing.assert_close(loaded(z), generator(z), rtol=0.02, atol=0.02)


def test_encoder_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = Encoder(ENCODER)
    torch.nn.init.normal_(encoder.common.weight)
    faces = torch.randn(8, 1, 16, 16)
    encoder(faces)  # moves the running statistics
    save_encoder(encoder, tmp_path / "e.safetensors", {})
    loaded = load_encoder(tmp_path / "e.safetensors")
    torch.testing.assert_close(loaded(faces), encoder.eval()(faces), rtol=0.02, atol=0.02)


def test_wrong_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(EngineError, match=r"weights\.safetensors: cannot read"):
        load_generator(path)
    path.write_bytes(b"not weights")
    with pytest.raises(EngineError, match=r"weights\.safetensors: cannot read"):
        load_encoder(path)
    save_encoder(Encoder(ENCODER), path, {})
    with pytest.raises(EngineError, match=r"expected schema streamfer\.stylegan2/1"):
        load_generator(path)
    save_file(
        {"x": torch.zeros(1)}, path, {"schema": "streamfer.encoder/1", "config": '{"size": 16}'}
    )
    with pytest.raises(EngineError, match="not the weights of this encoder"):
        load_encoder(path)


@pytest.mark.parametrize(
    ("load", "schema", "shape"),
    [
        (load_encoder, "streamfer.encoder/1", "[1]"),
        (load_encoder, "streamfer.encoder/1", '{"size": 1}'),
        (load_encoder, "streamfer.encoder/1", '{"channels": [8]}'),
        (load_generator, "streamfer.stylegan2/1", "null"),
        (load_generator, "streamfer.stylegan2/1", '{"channels": 8}'),
        (load_fused_network, FUSED_NETWORK_SCHEMA, '{"network": {}, "encoder": {"size": 1}}'),
        (load_latent_per, LATENT_PER_SCHEMA, '{"backbone": {"name": "resnet18"}, "encoder": 3}'),
        (load_fused_heads, FUSED_SCHEMA, '{"num_features": "a"}'),
    ],
)
def test_a_shape_that_no_network_has_is_one_line(
    tmp_path: Path, load: Callable[[Path], object], schema: str, shape: str
) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"x": torch.zeros(1)}, path, {"schema": schema, "config": shape})
    with pytest.raises(EngineError, match=r"^weights\.safetensors: [^\n]+$"):
        load(path)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    encoder = Encoder(ENCODER)
    encoder.common.weight.data[0, 0] = torch.nan
    save_encoder(encoder, tmp_path / "e.safetensors", {})
    with pytest.raises(EngineError, match=r"e\.safetensors: not all of common\.weight are finite"):
        load_encoder(tmp_path / "e.safetensors")


def test_the_same_weights_are_the_same_file_in_every_process(tmp_path: Path) -> None:
    program = (
        "import sys, torch; from pathlib import Path;"
        "from streamfer.models.storage import write_tensors;"
        "notes = {name: name for name in 'abcdefgh'};"
        "tensors = {'x': torch.ones(3), 'y': torch.ones(2, 2).half()};"
        "write_tensors(tensors, Path(sys.argv[1]), notes)"
    )
    files = [tmp_path / f"{number}.safetensors" for number in range(3)]
    for file in files:
        subprocess.run([sys.executable, "-c", program, str(file)], check=True)
    assert len({file.read_bytes() for file in files}) == 1
    metadata, tensors = read_tensors(files[0])
    assert set(metadata) == set("abcdefgh")
    assert tensors["y"].tolist() == [[1.0, 1.0], [1.0, 1.0]]
