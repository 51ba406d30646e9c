"""Published weights that Streamfer can use but does not ship."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streamfer.errors import EngineError
from streamfer.runtime.store import default_root


@dataclass(frozen=True, slots=True)
class PublishedWeights:
    """A file that others publish."""

    name: str
    """What `--detector` and `streamfer weights pull` call it."""
    file_name: str
    """What it is called in the weights folder."""
    url: str
    sha256: str | None
    """SHA-256 (hex) of the file; None where nobody published it. Such a file is noted when it is
    pulled, so that later damage shows, and held against the network key by key as all are."""
    licence: str


PUBLISHED: dict[str, PublishedWeights] = {
    weights.name: weights
    for weights in (
        PublishedWeights(
            name="retinaface-mobilenet0.25",
            file_name="retinaface_mobilenet0.25.pth",
            url="https://github.com/biubug6/Face-Detector-1MB-with-landmark/raw/master/weights/mobilenet0.25_Final.pth",
            sha256="ed6fa7d45a5179f03cb5ce82c73b0c6711372968e53782e88395acee88d319e1",
            licence="MIT",
        ),
        PublishedWeights(
            name="retinaface-resnet50",
            file_name="retinaface_resnet50.zip",
            url="https://github.com/ternaus/retinaface/releases/download/0.01/retinaface_resnet50_2020-07-20-f168fae3c.zip",
            sha256=None,
            licence="MIT",
        ),
    )
}


def weights_folder() -> Path:
    """Where pulled weights lie: beside the engines."""
    return default_root().parent / "weights"


def find_weights(name: str, folder: Path | None = None) -> Path:
    """The file of published weights.

    Args:
        name: a key of PUBLISHED.
        folder: where to look; None takes `weights_folder()`.

    Raises:
        EngineError: it has not been pulled yet; says how.
    """
    path = (folder or weights_folder()) / PUBLISHED[name].file_name
    if not path.is_file():
        raise EngineError(
            f"{name}: its weights are not in {path.parent}; get them with:"
            f" streamfer weights pull {name}"
        )
    return path
