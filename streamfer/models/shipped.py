"""Which files hold the weights that this project trained. Knows nothing of what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
    def missing_latent(self) -> tuple[Path, ...]:
        """Files of the latent networks that are not there; only together are they of use."""
        files = (self.generator, self.encoder, self.fused_heads)
        return tuple(path for path in files if not path.is_file())


SHIPPED = WeightFiles(Path(__file__).resolve().parents[1] / "weights")
"""What this package was released with."""
