"""Augmented views of the training faces and their codes, made once and kept in files.

Which view a face shows in an epoch depends on nothing but the data, the style and the seed of the
views: classifiers with and without the latent, and with any backbone, see the very same pictures,
and the encoder sees each of them once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from streamfer.errors import ConfigError
from streamfer.media.files.array_file import NO_ARRAYS
from streamfer.models.encoder import Encoder
from streamfer.models.shipped import weights_sha256
from streamfer.models.storage import load_encoder
from streamfer.models.stylegan2 import from_uint8
from streamfer.training.faces.augment import AugmentConfig, augment_face
from streamfer.training.faces.batches import TrainingFaces
from streamfer.training.faces.landmarks import picture_key
from streamfer.training.faces.sketch import pencil_sketch
from streamfer.training.whole_file import make_folder, whole_file
from streamfer.types import UInt8Array

Style = Literal["photo", "sketch"]
Codes = NDArray[np.float16]

_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class CodeReader:
    """An encoder and the file that it came from."""

    path: Path
    network: Encoder
    device: torch.device

    @classmethod
    def open(cls, path: Path, device: torch.device) -> CodeReader:
        """Reads an encoder.

        Raises:
            EngineError: its file is missing, damaged or of another kind.
        """
        return cls(path, load_encoder(path).to(device), device)

    @torch.inference_mode()
    def codes(self, crops: UInt8Array) -> Codes:
        """(n, num_ws, w_dim) float16 of (n, 64, 64) uint8 crops."""
        shape = self.network.config
        codes = np.empty((len(crops), shape.num_ws, shape.w_dim), np.float16)
        for start in range(0, len(crops), _BATCH):
            batch = torch.from_numpy(np.array(crops[start : start + _BATCH]))  # maps are read-only
            ws = self.network(from_uint8(batch.to(self.device)))
            codes[start : start + _BATCH] = ws.half().cpu().numpy()
        return codes


def in_style(crops: UInt8Array, style: Style) -> UInt8Array:
    """(n, 64, 64) crops as they are, or drawn in pencil (paper B, eq. 3–7)."""
    if style == "photo":
        return crops
    return np.array([pencil_sketch(crop) for crop in crops], np.uint8).reshape(crops.shape)


class Views:
    """Views by number, from files where they are there.

    Args:
        folder: gets a folder of its own for every set of pictures and way of changing them.
        faces: the training faces.
        style: of the views.
        augment: strength of the augmentation, 0 to 1.
        seed: of the augmentation.
        reader: of codes.
        notify: told what takes a while.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        faces: TrainingFaces,
        style: Style,
        augment: float,
        seed: int,
        reader: CodeReader,
        notify: Callable[[str], None] = lambda _line: None,
    ) -> None:
        chance = 1.0 if style == "sketch" else 0.0
        self._augment = replace(AugmentConfig().scaled(augment), sketch=chance)
        self._faces = faces
        self._seed = seed
        self._reader = reader
        self._notify = notify
        wanted = json.dumps({**asdict(self._augment), "seed": seed}, sort_keys=True)
        self._folder = folder / (_digest_of(faces, wanted)[:16])
        self._code_name = weights_sha256(reader.path)[:12]
        make_folder(self._folder)

    def crops(self, view: int) -> UInt8Array:
        """(n, 64, 64) uint8, the faces as this view shows them."""
        return self._kept(f"crops-{view:03d}.npy", lambda: self._make_crops(view))

    def codes(self, view: int) -> Codes:
        """(n, num_ws, w_dim) float16, the codes of this view's crops."""

        def make() -> Codes:
            self._notify(f"encoding view {view} of {len(self._faces)} faces (once)")
            return self._reader.codes(self.crops(view))

        return self._kept(f"codes-{self._code_name}-{view:03d}.npy", make)

    def _make_crops(self, view: int) -> UInt8Array:
        self._notify(f"making view {view} of {len(self._faces)} faces (once)")
        rng = np.random.default_rng((self._seed, view))
        faces = self._faces
        others = rng.permutation(len(faces))
        return np.stack(
            [
                augment_face(
                    faces.pictures[row],
                    faces.to_crop[row],
                    faces.to_whole[row],
                    faces.pictures[others[row]],
                    self._augment,
                    rng,
                )
                for row in range(len(faces))
            ]
        )

    def _kept(self, name: str, make: Callable[[], Any]) -> Any:
        path = self._folder / name
        if not path.exists():
            made = make()
            with whole_file(path) as file:
                np.save(file, made)
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except NO_ARRAYS as error:
            raise ConfigError(f"{path}: damaged; delete it: {error}") from error


def _digest_of(faces: TrainingFaces, wanted: str) -> str:
    digest = hashlib.sha256(wanted.encode())
    digest.update(b"".join(picture_key(picture) for picture in faces.pictures))
    digest.update(np.ascontiguousarray(faces.to_crop).tobytes())
    return digest.hexdigest()
