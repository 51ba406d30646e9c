"""Weights of a network and its shape in one safetensors file."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from streamfer.errors import ConfigError, EngineError
from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.int8_export import quantise_rows
from streamfer.models.stylegan2 import Generator, GeneratorConfig, style_spread

UNFIT = (
    *(ArithmeticError, AttributeError, ConfigError),
    *(LookupError, RuntimeError, TypeError, ValueError),
)
"""What building a network raises from a shape, or tensors, that no program of ours wrote."""

GENERATOR_SCHEMA = "streamfer.stylegan2/1"
ENCODER_SCHEMA = "streamfer.encoder/1"

_SCALE = ".scale"
"""Ends the name of the scales, float32, that belong to an int8 tensor."""


def save_generator(generator: Generator, path: Path, notes: Mapping[str, str]) -> None:
    """Writes a generator with its shape and the spread of its styles, which those need who compare
    codes without loading it; `notes` are more metadata, such as the recipe."""
    _save_generator(half_tensors(generator), generator, path, notes)


def keep_generator(generator: Generator, path: Path, notes: Mapping[str, str]) -> None:
    """As `save_generator`, with the numbers as they are."""
    tensors = {name: value.contiguous().cpu() for name, value in generator.state_dict().items()}
    _save_generator(tensors, generator, path, notes)


def _save_generator(
    tensors: Mapping[str, Tensor], generator: Generator, path: Path, notes: Mapping[str, str]
) -> None:
    config = asdict(generator.config)
    spread = {"spread": f"{style_spread(generator).item():.6g}"}
    save_with_config(tensors, path, GENERATOR_SCHEMA, config, {**spread, **notes})


def load_generator(path: Path) -> Generator:
    """Reads a generator, frozen and in float32.

    Raises:
        EngineError: the file is missing, damaged or of another kind.
    """
    config, tensors = load_config(path, GENERATOR_SCHEMA)
    try:
        generator = Generator(GeneratorConfig(**config))
        generator.load_state_dict(tensors)
    except UNFIT as error:
        raise _mismatch(path, "generator", error) from error
    return generator.freeze()


def save_encoder(encoder: Encoder, path: Path, notes: Mapping[str, str]) -> None:
    """Writes an encoder with its shape; `notes` are more metadata, such as the recipe."""
    config = asdict(encoder.config)
    save_with_config(half_tensors(encoder), path, ENCODER_SCHEMA, config, notes)


def load_encoder(path: Path) -> Encoder:
    """Reads an encoder, ready for inference and in float32.

    Raises:
        EngineError: the file is missing, damaged or of another kind.
    """
    config, tensors = load_config(path, ENCODER_SCHEMA)
    try:
        encoder = Encoder(EncoderConfig(**config))
        load_without_counters(encoder, tensors)
    except UNFIT as error:
        raise _mismatch(path, "encoder", error) from error
    return encoder.eval().requires_grad_(False)


def half_tensors(module: nn.Module) -> dict[str, Tensor]:
    """A module's tensors as files hold them: float16, small vectors float32, no batch counters."""
    return {
        name: (value.half() if value.ndim >= 2 else value.float()).contiguous().cpu()
        for name, value in module.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def int8_tensors(module: nn.Module) -> dict[str, Tensor]:
    """As `half_tensors`, but what is larger than a vector as int8, with scales by its rows."""
    state = module.state_dict()
    tensors: dict[str, Tensor] = {}
    for name, value in half_tensors(module).items():
        if value.ndim < 2:
            tensors[name] = value
            continue
        whole, scale = quantise_rows(state[name].detach().float().cpu().numpy())
        tensors[name] = torch.from_numpy(whole).contiguous()
        tensors[name + _SCALE] = torch.from_numpy(scale)
    return tensors


def dequantised(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `half_tensors` or `int8_tensors` wrote, in float32."""
    tensors = {}
    for name, value in stored.items():
        if name.endswith(_SCALE):
            continue
        tensors[name] = value.float()
        if value.dtype == torch.int8:
            scale = stored[name + _SCALE]
            tensors[name] *= scale.reshape(-1, *([1] * (value.ndim - 1)))
    return tensors


def load_without_counters(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Loads tensors strictly, but for the counters of batch normalisation, which files omit."""
    own = module.state_dict()
    counters = {name: own[name] for name in own if name.endswith("num_batches_tracked")}
    module.load_state_dict({**tensors, **counters})


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Loads tensors strictly.

    Raises:
        EngineError: they do not fit; the message names `path`.
    """
    try:
        module.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise _mismatch(path, type(module).__name__.lower(), error) from error


def write_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file whole or not at all; the same content is the same file."""
    partial = path.with_suffix(path.suffix + ".partial")
    partial.write_bytes(_in_order(save(dict(tensors), dict(metadata))))
    os.replace(partial, path)


def _in_order(content: bytes) -> bytes:
    """A safetensors file whose header is sorted: the library writes the metadata in an order that
    differs from process to process, and with it the file's hash."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of 8
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def read_metadata(path: Path) -> dict[str, str]:
    """Metadata of a safetensors file alone.

    Raises:
        EngineError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise EngineError(f"{path.name}: cannot read the weights: {error}") from error


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file.

    Raises:
        EngineError: the file is missing or damaged, or holds what is no finite number.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise EngineError(f"{path.name}: cannot read the weights: {error}") from error
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise EngineError(f"{path.name}: not all of {name} are finite numbers; train it anew")
    return metadata, tensors


def save_with_config(
    tensors: Mapping[str, Tensor],
    path: Path,
    schema: str,
    config: Mapping[str, Any],
    notes: Mapping[str, str],
) -> None:
    """Writes tensors with the schema and the shape of the network that they belong to."""
    write_tensors(tensors, path, {"schema": schema, "config": json.dumps(config), **notes})


def load_config(path: Path, schema: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Shape (lists as tuples) and float32 tensors that `save_with_config` wrote.

    Raises:
        EngineError: the file is missing, damaged or of another schema.
    """
    metadata, tensors = read_tensors(path)
    if metadata.get("schema") != schema:
        found = metadata.get("schema", "none")
        raise EngineError(f"{path.name}: expected schema {schema}, found {found}")
    try:
        config = json.loads(metadata.get("config", ""))
    except json.JSONDecodeError as error:
        raise EngineError(f"{path.name}: the network's shape is missing: {error}") from error
    if not isinstance(config, dict):
        raise EngineError(f"{path.name}: the network's shape is no object of JSON")
    tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
    return tuples, {name: value.to(torch.float32) for name, value in tensors.items()}


def _mismatch(path: Path, kind: str, error: Exception) -> EngineError:
    reason = str(error).splitlines()[0]
    return EngineError(f"{path.name}: not the weights of this {kind}: {reason}")
