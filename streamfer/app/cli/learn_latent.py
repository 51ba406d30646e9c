"""`streamfer train` and `eval` of the latent networks, `streamfer invert` and `edit`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from streamfer.app.cli.edit_options import edit_command
from streamfer.app.cli.latent_options import DeviceOption, FaceModelOption, WeightsOption
from streamfer.errors import ConfigError

_TRAININGS = {
    "generator": "Train the StyleGAN2 generator; --help lists the options.",
    "encoder": "Train the encoder of a generator; --help lists the options.",
    "autoencoder": "Train generator and encoder together, without a GPU; --help lists the options.",
    "directions": "Learn the directions of expressions; --help lists the options.",
    "fused": "Train the heads of the fused classifier; --help lists the options.",
    "trust": "Fit how far answers can be trusted; --help lists the options.",
}
_EVALUATIONS = {
    "latent": "Measure generator, encoder and refinement; --help lists the options.",
    "edit": "Measure how faces are edited along directions; --help lists the options.",
    "fused": "Hold the fused classifier against VGG19 alone; --help lists the options.",
    "latent_per": "Make the tables of Latent-PER; --help lists the options.",
}


def add_latent_commands(app: typer.Typer, train_app: typer.Typer, eval_app: typer.Typer) -> None:
    """Adds the commands of the latent networks to the program's."""
    for name, purpose in _TRAININGS.items():
        _forward(train_app, name, f"streamfer.training.{name}", purpose)
    for name, purpose in _EVALUATIONS.items():
        _forward(eval_app, name.replace("_", "-"), f"streamfer.evaluation.{name}", purpose)
    app.command("invert")(invert_command)
    app.command("edit")(edit_command)


def _forward(app: typer.Typer, name: str, module: str, purpose: str) -> None:
    """Adds a command whose options are those of `python -m MODULE`, which needs no Typer."""

    def command(context: typer.Context) -> int:
        main: Callable[[list[str]], int] = importlib.import_module(module).main
        return main(context.args)

    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    app.command(name, help=purpose, context_settings=settings, add_help_option=False)(command)


def invert_command(
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE|DIR...", help="Pictures, or folders of them.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the numbers there. [OUT/faces.json]")
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps of the refinement.")] = 100,
    budget_ms: Annotated[
        float | None, typer.Option(help="End a refinement after this many milliseconds.")
    ] = None,
    device: DeviceOption = "auto",
    face_model: FaceModelOption = "shipped",
    generator: WeightsOption = None,
    encoder: WeightsOption = None,
    classifier: WeightsOption = None,
) -> int:
    """Find the latent codes of the faces in photographs and redraw them."""
    from streamfer.app.cli.invert import InvertConfig, invert

    given = {"generator": generator, "encoder": encoder, "classifier": classifier}
    weights = {name: path for name, path in given.items() if path is not None}
    if face_model != "shipped" and (generator or encoder):
        raise ConfigError(f"--face-model {face_model} has its own generator and encoder")
    config = InvertConfig(
        tuple(images),
        out,
        json_file,
        steps=steps,
        budget_ms=budget_ms,
        device=device,
        face_model=face_model,
        **weights,
    )
    return invert(config)
