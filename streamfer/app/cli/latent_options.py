"""The options that all commands of latent codes share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamfer.app.config_fields import FaceModelName

DeviceOption = Annotated[str, typer.Option(help="cpu, cuda, cuda:N or auto.")]
FaceModelOption = Annotated[
    FaceModelName, typer.Option(help="The shipped networks, or a pulled encoder of portraits.")
]
WeightsOption = Annotated[Path | None, typer.Option(help="Instead of the shipped weights.")]
