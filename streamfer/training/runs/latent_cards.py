"""The cards of generator, encoder and fused heads: what they are, and what they are not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from torch import nn

from streamfer.errors import ConfigError
from streamfer.evaluation.mcnemar import PairedComparison, comparison_table
from streamfer.models.fused import load_fused_heads
from streamfer.models.shipped import weights_sha256
from streamfer.models.storage import load_encoder, load_generator

_DATA = """\
## Data

The training pictures of FER2013 with FER+'s votes, aligned by `streamfer.vision.align`. The figures
are of PublicTest faces, on which nothing was trained.
"""

_RECIPE = """\
## Recipe

{origin};
code at commit `{commit}`. {note}

```
{recipe}
```
"""

_LIMITS = """\
## Intended use, and limits

{purpose} The data are small, gray, cropped, often posed pictures from the web,
with many actors, adults and Western media among them; how well this works for other groups of
people has not been measured. Codes are biometric data: a face can be redrawn and recognised from
them. Not to be used to identify people, to fake pictures of them, or to judge them.
"""


@dataclass(frozen=True, slots=True)
class LatentRun:
    """How generator and encoder were trained, and what was measured of them."""

    generator: str = field(repr=False)
    """Its recipe, a section of its card: see `trained_recipe` and `kept_recipe`."""
    encoder: str = field(repr=False)
    """The same of the encoder."""
    evaluation: Mapping[str, Any] = field(repr=False)
    """What `streamfer.evaluation.latent` writes."""
    commit: str
    """Of the code that trained."""


def generator_card(weights: Path, run: LatentRun) -> str:
    """The generator's card, as Markdown."""
    generator = load_generator(weights)
    config = generator.config
    frechet, means = run.evaluation["frechet"], run.evaluation["means"]
    return "\n".join(
        [
            f"# stylegan2_faces64: draws {config.resolution} px faces from latent codes",
            "",
            f"StyleGAN2 in plain convolutions, channels {_listed(config.channels)}, skip outputs;",
            f"{_size(generator, weights)}",
            "",
            f"- Input: a code in W+, {config.num_ws} × {config.w_dim}, or z of {config.z_dim}.",
            f"- Output: {config.resolution} × {config.resolution} gray, −1 to 1.",
            f"- SHA-256: `{weights_sha256(weights)}`",
            "",
            _DATA,
            "## Measured",
            "",
            "| | |",
            "|---|---|",
            f"| Fréchet distance of samples to PublicTest | {frechet['samples']:.2f} |",
            f"| Fréchet distance of the training set to PublicTest | {frechet['training']:.2f} |",
            *_refined_rows(run.evaluation),
            "",
            "Fréchet distances are in the features of `face_vgg19`. Refinement took"
            f" {means['mean_steps']:.0f} steps on average.",
            "",
            run.generator,
            _LIMITS.format(purpose="To redraw faces and to find their codes by optimisation."),
        ]
    )


def encoder_card(weights: Path, run: LatentRun) -> str:
    """The encoder's card, as Markdown."""
    encoder = load_encoder(weights)
    config, means = encoder.config, run.evaluation["means"]
    return "\n".join(
        [
            "# encoder_faces64: from an aligned face to its latent code",
            "",
            f"A ResNet, channels {_listed(config.channels)}, blocks {_listed(config.blocks)};",
            f"{_size(encoder, weights)}",
            "",
            f"- Input: {config.size} × {config.size} gray, −1 to 1, aligned.",
            f"- Output: a code in W+ of `stylegan2_faces64`, {config.num_ws} × {config.w_dim}.",
            f"- SHA-256: `{weights_sha256(weights)}`",
            "",
            _DATA,
            f"## Measured on {len(run.evaluation['faces']):,} PublicTest faces",
            "",
            "| | |",
            "|---|---|",
            f"| median pixel MSE of what the generator draws | {means['median_mse_encoder']:.4f} |",
            f"| mean distance through the lens | {means['mean_loss_encoder']:.3f} |",
            f"| same expression read from picture and face | {means['agreement_encoder']:.1%} |",
            "",
            run.encoder,
            _LIMITS.format(purpose="To give every face a first code in every frame."),
        ]
    )


def fused_heads_card(weights: Path, run: LatentRun, fused: Path) -> str:
    """The card of the fused heads, as Markdown.

    Args:
        weights: the heads.
        run: that of the encoder.
        fused: folder of the training of the heads.

    Raises:
        ConfigError: a file of that training is missing or malformed.
    """
    heads = load_fused_heads(weights)
    config = heads.config
    styles = {
        style: {labels: PairedComparison(**figures) for labels, figures in sets.items()}
        for style, sets in read_json(fused / "comparison.json").items()
    }
    recipe = read_json(fused / "config.json")
    branch = f"{config.num_ws * config.w_dim} → {config.hidden[0]} → {config.hidden[1]}"
    if not config.use_latent:
        branch += ", which is left out since heads without it are the better ones"
    return "\n".join(
        [
            "# fused_heads: expressions from VGG19's features and the latent code",
            "",
            f"Latent branch {branch}; {config.num_features} features, two heads;",
            f"{_size(heads, weights)}",
            "The trunk is `face_vgg19`'s, the code `encoder_faces64`'s; both were frozen.",
            "",
            "- Output: seven probabilities under the labels of `ferplus` and of `fer2013`.",
            f"- SHA-256: `{weights_sha256(weights)}`",
            "",
            _DATA,
            "## Measured on PublicTest",
            "",
            "Heads trained alike on the same features, without and with the latent code; p is of"
            " McNemar's test.",
            "",
            comparison_table(styles, "VGG19", "fused"),
            *_answers(run.evaluation),
            _RECIPE.format(
                origin="AdamW on the features of augmented faces, cosine to zero",
                commit=run.commit,
                note="One picture in 32 was kept back to fit the temperatures.",
                recipe=_lines(recipe),
            ),
            _LIMITS.format(purpose="To say what an expression looks like to strangers."),
        ]
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ConfigError: the file is missing or holds none.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot read it: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a JSON object")
    return content


def trained_recipe(folder: Path, commit: str, note: str = "") -> str:
    """The recipe of a training, as a section of a card.

    Args:
        folder: of the training.
        commit: of the code that trained.
        note: a sentence, such as why the run ended.

    Raises:
        ConfigError: a file of it is missing or malformed.
    """
    config = read_json(folder / "config.json")
    images, minutes = _progress(folder / "metrics.jsonl")
    nested = ("generator", "encoder", "shape")
    together = "generator" in config
    origin = "Generator and encoder as an autoencoder" if together else "Trained alone"
    return _RECIPE.format(
        origin=f"{origin}, {images:,} faces in {minutes:.0f} minutes, averaged weights",
        commit=commit,
        note=note,
        recipe=_lines({k: v for k, v in config.items() if k not in nested}),
    )


def kept_recipe(card: Path) -> str:
    """The recipe that a card has, for weights that have not been trained again.

    Raises:
        ConfigError: the card is missing or has none.
    """
    try:
        text = card.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{card}: cannot read the card: {error.strerror}") from error
    start, end = text.find("## Recipe"), text.find("## Intended use")
    if not 0 <= start < end:
        raise ConfigError(f"{card}: has no recipe")
    return text[start:end]


def _progress(metrics: Path) -> tuple[int, float]:
    """Faces shown and minutes taken, over all continuations of a run: each counts its own time.

    Raises:
        ConfigError: the file is missing or malformed.
    """
    try:
        rows = [json.loads(line) for line in metrics.read_text("utf-8").splitlines()]
        seconds = [float(row["seconds"]) for row in rows]
        ends = [a for a, b in pairwise([*seconds, 0.0]) if b < a]
        return int(rows[-1]["images"]), sum(ends) / 60
    except (OSError, ValueError, LookupError) as error:
        raise ConfigError(f"{metrics}: cannot read it: {error}") from error


def _refined_rows(evaluation: Mapping[str, Any]) -> list[str]:
    means = evaluation["means"]
    return [
        f"| faces refined | {len(evaluation['faces']):,} |",
        f"| feature loss at least halved | {means['loss_halved']:.1%} |",
        f"| pixel MSE at least 30 % lower | {means['mse_down_30']:.1%} |",
        f"| median pixel MSE | {means['median_mse_refined']:.4f} |",
        f"| same expression read from picture and face | {means['agreement_refined']:.1%} |",
    ]


def _answers(evaluation: Mapping[str, Any]) -> list[str]:
    """What refined codes do to the answers."""
    answers = evaluation.get("answers")
    if not answers:
        return []
    compared = {labels: PairedComparison(**figures) for labels, figures in answers.items()}
    return [
        "The same heads with the encoder's code and with the refined one:",
        "",
        comparison_table({"photo": compared}, "encoded", "refined"),
    ]


def _size(module: nn.Module, weights: Path) -> str:
    count = sum(p.numel() for p in module.parameters())
    mebibytes = weights.stat().st_size / 2**20
    return f"{count:,} parameters, {mebibytes:.1f} MiB: matrices as float16, vectors as float32."


def _listed(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values))


def _lines(recipe: Mapping[str, Any]) -> str:
    return "\n".join(f"{name} = {value}" for name, value in recipe.items())
