"""The options that all commands of latent codes share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streamfer.app.config_fields import FaceModelName, check_ranges, option
from streamfer.errors import ConfigError
from streamfer.models.shipped import SHIPPED

_GROUP = "Networks"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentOptions:
    """Which networks of latent codes are used, and where."""

    device: str = option("auto", "cpu, cuda, cuda:N or auto.", group=_GROUP)
    face_model: FaceModelName = option(
        "shipped",
        "The shipped networks, or a pulled encoder of portraits, which has its own generator and"
        " encoder.",
        group=_GROUP,
    )
    generator: Path = option(
        SHIPPED.generator, "Instead of the shipped weights.", group=_GROUP, show_default=False
    )
    encoder: Path = option(
        SHIPPED.encoder, "Instead of the shipped weights.", group=_GROUP, show_default=False
    )
    classifier: Path = option(
        SHIPPED.classifier, "Instead of the shipped weights.", group=_GROUP, show_default=False
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        own = (self.generator, self.encoder) != (SHIPPED.generator, SHIPPED.encoder)
        if self.face_model != "shipped" and own:
            raise ConfigError(f"--face-model {self.face_model} has its own generator and encoder")

    @property
    def files(self) -> dict[str, Path]:
        """The weights by the names of the networks."""
        return {
            "generator": self.generator,
            "encoder": self.encoder,
            "classifier": self.classifier,
        }
