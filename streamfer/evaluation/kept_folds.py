"""The answers of finished folds, kept, so that a cross-validation can be gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from streamfer.errors import ConfigError
from streamfer.media.files.array_file import NO_ARRAYS
from streamfer.training.whole_file import make_folder, whole_file
from streamfer.types import FloatArray

FoldsBy = Literal["image", "subject"]


class KeptFolds:
    """The finished folds of one kind.

    Args:
        folder: made where it is missing; None keeps nothing.
        by: what their faces were dealt out by.
        beginning: digest of all that their answers depend on.
        earlier: the same as an earlier version took it, whose folds are gone on with.
    """

    def __init__(self, folder: Path | None, by: FoldsBy, beginning: str, earlier: str = "") -> None:
        self.by: FoldsBy = by
        self._folder = folder
        self._beginning = beginning
        self._accepted = {beginning, earlier or beginning}

    def read(self, number: int) -> FloatArray | None:
        """(n, 7) answers of a fold; None where it is not finished.

        Raises:
            ConfigError: what is there is no such fold, or one of other faces or settings.
        """
        if self._folder is None or not (path := self._path(self._folder, number)).exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                probs, beginning = arrays["probs"], str(arrays["beginning"])
        except NO_ARRAYS as error:
            raise ConfigError(f"{path}: not a finished fold: {error}") from error
        if beginning not in self._accepted:
            raise ConfigError(
                f"{path}: is of other faces, weights or settings; give another --checkpoints"
            )
        return np.asarray(probs, np.float32)

    def write(self, number: int, probs: FloatArray) -> None:
        """Keeps (n, 7) answers, whole or not at all.

        Raises:
            OutputError: they cannot be written.
        """
        if self._folder is None:
            return
        path = self._path(self._folder, number)
        make_folder(self._folder)
        with whole_file(path) as file:
            np.savez(file, probs=probs, beginning=self._beginning)

    def _path(self, folder: Path, number: int) -> Path:
        return folder / f"{self.by}-{number}.npz"
