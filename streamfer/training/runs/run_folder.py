"""What a training run leaves behind: options, metrics, pictures, and states to go on from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from streamfer.errors import ConfigError
from streamfer.models.shipped import weights_sha256
from streamfer.models.storage import read_tensors, write_tensors
from streamfer.training.runs.loop import check_sound
from streamfer.training.whole_file import write_whole

_LENGTH_AND_PACE = ("images", "max_seconds", "tick_images", "cuda_graphs")
"""Options that may change between a run and its continuation: none decides what it learns."""


class RunFolder:
    """The folder of one run.

    Args:
        path: made if missing.
        options: what the run was asked for; a run that goes on must ask for the same.
        faces: uint8, what it learns from; a run that goes on must learn from the same.
        resume: whether to go on from the last state, where there is one.
        made_from: SHA-256 of what else it learns from, such as other networks; a run that goes on
            must learn from the same.

    Raises:
        ConfigError: the options, the faces or what it is made from differ from those of the run
            that shall go on.
    """

    def __init__(
        self,
        path: Path,
        options: Mapping[str, Any],
        faces: Tensor,
        *,
        resume: bool,
        made_from: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        saved = path / "config.json"
        wanted = json.loads(json.dumps(options))
        wanted["faces_sha256"] = hashlib.sha256(faces.cpu().numpy().tobytes()).hexdigest()
        digests = {f"{name}_sha256": digest for name, digest in made_from.items()}
        wanted |= digests
        self.resuming = resume and (path / "state.json").exists()
        if self.resuming:
            # A run of an earlier version did not note what it is made from: it goes on.
            before = digests | json.loads(saved.read_text())
            differing = [
                k for k in wanted if k not in _LENGTH_AND_PACE and before.get(k) != wanted[k]
            ]
            if differing:
                raise ConfigError(
                    f"{path}: cannot resume: {differing[0]} was {before.get(differing[0])},"
                    f" now {wanted[differing[0]]}; give the same, or another --out"
                )
        else:
            (path / "metrics.jsonl").unlink(missing_ok=True)
        write_whole(saved, json.dumps(wanted, indent=1) + "\n")

    def log(self, metrics: Mapping[str, float]) -> None:
        """Appends one line to `metrics.jsonl`.

        Raises:
            ConfigError: a figure is no finite number: the networks have come apart.
        """
        check_sound(value for value in metrics.values() if isinstance(value, float))
        rounded = {k: round(v, 6) if isinstance(v, float) else v for k, v in metrics.items()}
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(rounded) + "\n")

    def save(
        self,
        modules: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        progress: Mapping[str, Any],
    ) -> None:
        """Saves everything that the run needs to go on, one file per network and optimiser."""
        for name, module in modules.items():
            weights = {k: v.detach().cpu().contiguous() for k, v in module.state_dict().items()}
            write_tensors(weights, self.path / f"{name}.state.safetensors", {})
        for name, optimizer in optimizers.items():
            if tensors := _optimizer_tensors(optimizer):
                write_tensors(tensors, self.path / f"{name}.optimizer.safetensors", {})
        write_tensors(_random_states(), self.path / "random.safetensors", {})
        write_whole(self.path / "state.json", json.dumps(progress) + "\n")

    def load(
        self, modules: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer]
    ) -> dict[str, Any]:
        """Restores what `save` wrote.

        Optimisers whose file is missing (they had not taken a step, or the run goes on from the
        networks alone) start afresh.

        Returns:
            The progress given to `save`.
        """
        for name, module in modules.items():
            module.load_state_dict(read_tensors(self.path / f"{name}.state.safetensors")[1])
        for name, optimizer in optimizers.items():
            path = self.path / f"{name}.optimizer.safetensors"
            if path.exists():
                _restore_optimizer(optimizer, read_tensors(path)[1])
        if (self.path / "random.safetensors").exists():
            _restore_random(read_tensors(self.path / "random.safetensors")[1])
        progress: dict[str, Any] = json.loads((self.path / "state.json").read_text())
        return progress


def digests_of(**files: Path | None) -> dict[str, str]:
    """SHA-256 (hex) of files by the option that names them; `none` where it was not given.

    Raises:
        EngineError: a file cannot be read.
    """
    return {name: weights_sha256(path) if path else "none" for name, path in files.items()}


def _optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    return {
        f"{index}.{key}": value.detach().cpu().contiguous()
        for index, entry in optimizer.state_dict()["state"].items()
        for key, value in entry.items()
    }


def _restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _random_states() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _restore_random(states: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
