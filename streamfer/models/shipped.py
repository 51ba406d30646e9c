"""Which files hold the weights that this project trained. Knows nothing of what is in them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from streamfer.errors import EngineError

_CARD_SHA256 = re.compile(r"^- SHA-256: `([0-9a-f]{64})`$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """The networks' files in a folder."""

    folder: Path

    @property
    def classifier(self) -> Path:
        """The face network, without which nothing runs."""
        return self.folder / "face_vgg19.safetensors"

    @property
    def generator(self) -> Path:
        """Draws faces from latent codes."""
        return self.folder / "stylegan2_faces64.safetensors"

    @property
    def encoder(self) -> Path:
        """Gives faces their latent codes."""
        return self.folder / "encoder_faces64.safetensors"

    @property
    def fused_heads(self) -> Path:
        """Reads expressions from the face network's features and the latent code."""
        return self.folder / "fused_heads.safetensors"

    @property
    def directions(self) -> Path:
        """Along which codes are moved to edit a face."""
        return self.folder / "directions_faces64.safetensors"

    @property
    def curvature(self) -> Path:
        """How steeply the loss of a search rises; without it searches take more steps."""
        return self.folder / "curvature_faces64.safetensors"

    @property
    def face_network(self) -> tuple[Path, ...]:
        """The files that the served face network is made of: the fused one where it is whole."""
        if self.missing_latent:
            return (self.classifier,)
        return (self.classifier, self.encoder, self.fused_heads)

    @property
    def networks(self) -> tuple[Path, ...]:
        """The files of all networks, there or not; each has a card beside it."""
        return (self.classifier, self.generator, self.encoder, self.fused_heads)

    @property
    def trust(self) -> Path:
        """How far the face network's answers can be trusted; without it nobody says."""
        return self.folder / "trust.json"

    @property
    def upright(self) -> Path:
        """Which faces do not stand upright; without it only their landmarks say."""
        return self.folder / "upright.json"

    @property
    def int8(self) -> Path:
        """How the face network is quantised, and what that costs."""
        return self.folder / "int8.json"

    @property
    def missing_latent(self) -> tuple[Path, ...]:
        """Files of the latent networks that are not there; only together are they of use."""
        files = (self.generator, self.encoder, self.fused_heads)
        return tuple(path for path in files if not path.is_file())


def weights_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file of weights.

    Raises:
        EngineError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EngineError(f"{path}: cannot read the weights: {error.strerror or error}") from error


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file of weights, held against the one in the card beside it.

    Raises:
        EngineError: the file cannot be read, or is not the one that its card describes.
    """
    card = path.with_suffix(".md")
    try:
        found = weights_sha256(path)
        described = _CARD_SHA256.search(card.read_text("utf-8")) if card.is_file() else None
    except EngineError as error:
        raise EngineError(f"{error}; install streamfer again") from error
    except OSError as error:
        raise EngineError(
            f"{card}: cannot read the card: {error.strerror or error}; install streamfer again"
        ) from error
    if described and described[1] != found:
        raise EngineError(
            f"{path}: damaged or replaced: its SHA-256 is not the one in {card.name};"
            " install streamfer again"
        )
    return found


def digest(files: Iterable[Path]) -> str:
    """SHA-256 (hex) of what several files hold together.

    Raises:
        EngineError: as `file_digest`.
    """
    return hashlib.sha256("".join(map(file_digest, files)).encode()).hexdigest()


SHIPPED = WeightFiles(Path(__file__).resolve().parents[1] / "weights")
"""What this package was released with."""
