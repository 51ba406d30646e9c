"""Faces whose codes have been optimised offline: shards in a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor, from_numpy
from torch import cat as concatenate

from streamfer.errors import ConfigError, OutputError
from streamfer.media.files.array_file import NO_ARRAYS
from streamfer.training.whole_file import whole_file, write_whole

_BEGINNING = "config.json"


@dataclass(frozen=True, slots=True, eq=False)
class OptimisedFaces:
    """Faces and the codes that draw them."""

    crops: Tensor = field(repr=False)
    """(n, R, R) uint8."""
    codes: Tensor = field(repr=False)
    """(n, num_ws, w_dim) float32."""

    @property
    def sha256(self) -> str:
        """Of faces and codes (hex)."""
        digest = hashlib.sha256(self.crops.cpu().numpy().tobytes())
        digest.update(self.codes.cpu().numpy().tobytes())
        return digest.hexdigest()


class CodeShards:
    """The folder of optimised codes, written shard by shard.

    Args:
        folder: made where it is missing.
        beginning: all that the codes depend on; a folder of others is refused.

    Raises:
        ConfigError: the folder holds codes of other networks, faces or settings.
        OutputError: it cannot be written.
    """

    def __init__(self, folder: Path, beginning: Mapping[str, str | int | float]) -> None:
        self._folder = folder
        saved = folder / _BEGINNING
        try:
            folder.mkdir(parents=True, exist_ok=True)
            before = json.loads(saved.read_text()) if saved.exists() else None
            if before is None:
                write_whole(saved, json.dumps(beginning, indent=1) + "\n")
        except (OSError, ValueError) as error:
            raise OutputError(f"{folder}: cannot keep codes there: {error}") from error
        if before is not None and before != dict(beginning):
            differing = next(k for k in beginning if before.get(k) != beginning[k])
            raise ConfigError(
                f"{folder}: holds codes of another {differing} ({before.get(differing)}, not"
                f" {beginning[differing]}); give another --out"
            )

    def has(self, number: int) -> bool:
        """Whether a shard is there, whole."""
        return self._path(number).exists()

    def write(self, number: int, faces: OptimisedFaces) -> None:
        """Writes a shard, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        codes = faces.codes.numpy().astype(np.float16)
        with whole_file(self._path(number)) as file:
            np.savez(file, crops=faces.crops.numpy(), codes=codes)

    def _path(self, number: int) -> Path:
        return self._folder / f"codes-{number:05d}.npz"


def read_optimised_faces(folder: Path) -> OptimisedFaces:
    """All shards of a folder together.

    Raises:
        ConfigError: there is none, or one is damaged.
    """
    crops, codes = [], []
    for path in sorted(folder.glob("codes-*.npz")):
        try:
            with np.load(path, allow_pickle=False) as arrays:
                crops.append(from_numpy(arrays["crops"]))
                codes.append(from_numpy(arrays["codes"].astype(np.float32)))
        except NO_ARRAYS as error:
            raise ConfigError(f"{path}: not optimised codes: {error}") from error
    if not crops:
        raise ConfigError(
            f"{folder}: no optimised codes in it; streamfer.training.codes makes them"
        )
    return OptimisedFaces(concatenate(crops), concatenate(codes))
