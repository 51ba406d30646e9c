"""What a training run keeps: averaged weights, checkpoints to resume from, metrics."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from streamfer.errors import ConfigError, OutputError
from streamfer.training.whole_file import whole_file, write_whole

M = TypeVar("M", bound=nn.Module)


class AveragedModel(Generic[M]):
    """Exponential moving average of a network's weights and statistics.

    Early on the average follows more closely, so that it forgets the random start.

    Attributes:
        model: the averaged network, in evaluation mode.
    """

    def __init__(self, model: M, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.updates = 0
        self._decay = decay

    @torch.no_grad()
    def update(self, model: M) -> None:
        """Moves the average towards the network's present state."""
        self.updates += 1
        keep = min(self._decay, (1 + self.updates) / (10 + self.updates))
        mine = list(self.model.state_dict().values())
        theirs = list(model.state_dict().values())
        floats = [i for i, value in enumerate(mine) if value.is_floating_point()]
        torch._foreach_lerp_([mine[i] for i in floats], [theirs[i] for i in floats], 1 - keep)
        for own, other in zip(mine, theirs, strict=True):
            if not own.is_floating_point():
                own.copy_(other)


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Writes a checkpoint; a run killed meanwhile keeps the one before.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        with whole_file(path) as file:
            torch.save(dict(state), file)
    except RuntimeError as error:  # its writer's own, of a full disk
        raise OutputError(f"{path}: cannot write the checkpoint: {error}") from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint; tensors and plain values only, no code runs.

    Raises:
        ConfigError: the file is missing or not such a checkpoint.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the restricted unpickler raises many unrelated types
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"{path}: cannot resume from it: {reason}") from error
    if not isinstance(state, dict):
        raise ConfigError(f"{path}: cannot resume from it: not a checkpoint")
    return state


def demand_same_beginning(state: Mapping[str, Any], mine: Mapping[str, str], where: Path) -> None:
    """Holds what a run begins with against what the run of a checkpoint began with.

    Args:
        state: of the checkpoint. What its run did not note, as those of earlier versions, may be
            anything.
        mine: SHA-256 of what the run begins with, by option.
        where: the checkpoint, for messages.

    Raises:
        ConfigError: something else was given; says which.
    """
    theirs = state.get("began_with", {})
    for name, digest in mine.items():
        if (before := theirs.get(name, digest)) != digest:
            raise ConfigError(
                f"{where}: was trained with another --{name} (SHA-256 {before}, not {digest});"
                " resume with the same"
            )


class MetricsFile:
    """One JSON object per epoch, in a JSONL file."""

    def __init__(self, path: Path, keep: int) -> None:
        """Opens the file and keeps its first `keep` lines, those of the epochs already done."""
        self._path = path
        lines = path.read_text("utf-8").splitlines()[:keep] if path.exists() else []
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        write_whole(path, "".join(line + "\n" for line in lines))

    def append(self, row: dict[str, Any]) -> None:
        """Adds one epoch."""
        self.rows.append(row)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
