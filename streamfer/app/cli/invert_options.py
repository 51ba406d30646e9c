"""The options of `streamfer invert`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streamfer.app.cli.latent_options import LatentOptions
from streamfer.app.cli.options import with_options
from streamfer.app.config_fields import REQUIRED, argument, option


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertConfig(LatentOptions):
    """What `invert` is asked for."""

    images: tuple[str, ...] = argument(
        "Pictures, or folders of them; of a video its first frame.", metavar="IMAGE|DIR..."
    )
    out: Path = option(REQUIRED, "Folder for the results, made if missing.")
    json: Path | None = option(None, "Write the numbers there. [OUT/faces.json]")
    steps: int = option(100, "Steps of the refinement.", low=1)
    budget_ms: float | None = option(None, "End a refinement after this many milliseconds.")


@with_options(InvertConfig)
def invert_command(config: InvertConfig) -> int:
    """Find the latent codes of the faces in photographs and redraw them."""
    from streamfer.app.cli.invert import invert

    return invert(config)
