"""Published weights that Streamfer can use but does not ship."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from streamfer.errors import EngineError
from streamfer.runtime.store.store import default_root


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
    by_hand: bool = False
    """Whether the file has to be fetched by hand, because the address is a page for people or
    because nobody published what the file must hash to; `pull --from` then takes it in."""

    @property
    def command(self) -> str:
        """What to type to have it."""
        return f"streamfer weights pull {self.name}" + (" --from FILE" if self.by_hand else "")


_NON_COMMERCIAL = "NVIDIA, non-commercial"

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
        PublishedWeights(
            name="stylegan2-ffhq",
            file_name="stylegan2_ffhq.pt",
            url="https://drive.google.com/file/d/1EM87UquaoQmk17Q8d5kYIAHqu0dkYqdT/view",
            sha256=None,
            licence=_NON_COMMERCIAL,
            by_hand=True,
        ),
        PublishedWeights(
            name="stylegan2-ada-ffhq",
            file_name="stylegan2_ada_ffhq.pkl",
            url="https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/ffhq.pkl",
            sha256=None,
            licence=_NON_COMMERCIAL,
            by_hand=True,
        ),
        PublishedWeights(
            name="e4e-ffhq",
            file_name="e4e_ffhq_encode.pt",
            url="https://drive.google.com/file/d/1cUv_reLE6k3604or78EranS7XzuVMWeO/view",
            sha256=None,
            licence=f"MIT; decoder {_NON_COMMERCIAL}",
            by_hand=True,
        ),
        PublishedWeights(
            name="psp-ffhq",
            file_name="psp_ffhq_encode.pt",
            url="https://drive.google.com/file/d/1bMTNWkh5LArlaWSc_wa8VKyq2V42T2z0/view",
            sha256=None,
            licence=f"MIT; decoder {_NON_COMMERCIAL}",
            by_hand=True,
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
    if not os.path.isfile(path):
        raise EngineError(
            f"{name}: its weights are not in {path.parent}; get them with:"
            f" {PUBLISHED[name].command}"
        )
    return path


def load_published(name: str, path: Path) -> None:
    """Loads published weights strictly, as the network that they are for does; loads torch.

    Args:
        name: a key of PUBLISHED.
        path: the file.

    Raises:
        EngineError: it is damaged, or of another network; names the keys.
    """
    if name.startswith("retinaface-"):
        from streamfer.models.retinaface import load_retinaface

        load_retinaface(path, name.removeprefix("retinaface-"))
    elif name.startswith("stylegan2-"):
        from streamfer.models.published_stylegan2 import load_published_generator

        load_published_generator(path)
    else:
        from streamfer.models.published_encoder import load_inversion_networks

        load_inversion_networks(path, "e4e" if name == "e4e-ffhq" else "psp")
