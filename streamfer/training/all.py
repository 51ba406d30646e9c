"""Everything that follows from a change of one network, in one command: `python -m
streamfer.training.all`.

The fused heads, the measurements, the cards, the directions, int8, the curvature of the search,
trust and which faces stand upright each belong to the networks that they were made with. Given what
has changed, this makes them anew in a folder that holds what ships, whole. A step whose networks
and options are those of the last time is passed over, so the command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from streamfer.errors import ConfigError
from streamfer.evaluation import latent
from streamfer.models.fused import load_fused
from streamfer.models.shipped import SHIPPED, WeightFiles, digest, file_digest
from streamfer.models.structures import FILES_OF, structure_path
from streamfer.training import curvature, directions, fused, int8, trust, upright
from streamfer.training.gather import Changed, gather
from streamfer.training.runs.command import run_command
from streamfer.training.runs.latent_cards import LatentRun, kept_recipe, read_json, trained_recipe
from streamfer.training.runs.steps import Step, module_step, take_steps
from streamfer.training.ship import ship
from streamfer.training.structures import structure_files, write_structures
from streamfer.training.vgg.card import commit_of_checkout

_EPOCHS, _FEATURE_VIEWS, _TRUST_VIEWS = 8, 4, 4
_FACES, _SAMPLES, _STEPS, _REFINED, _JUDGED, _RANGES = 100, 5000, 100, 200, 3600, 512
_TURNED_VIEWS, _STEEP_FACES, _DRAWINGS = 12_000, 4096, 150
"""The usual lengths of the steps."""
_DRAWN = ("sad", "neutral")
"""Expressions whose directions are learned from drawings (docs/latent-per.md)."""


class _Plan:
    """What follows from the networks in a folder.

    Args:
        weights: the folder; the steps complete it.
        options: of the command.
    """

    def __init__(self, weights: WeightFiles, options: argparse.Namespace) -> None:
        self._weights = weights
        self._options = options
        self._heads = options.out / "heads"
        self._new_heads = self._heads / "fused_heads.safetensors"
        self._measured = options.out / "latent.json"
        self._data = ["--data", str(options.data)]
        self._seed = ["--seed", str(options.seed)]
        self._cache = ["--landmarks", str(options.landmarks or options.out / "landmarks.npz")]
        self._device = ["--device", options.device]
        self._networks = (weights.classifier, weights.generator, weights.encoder)
        self._parts = ["--classifier", str(weights.classifier), "--encoder", str(weights.encoder)]

    def steps(self) -> list[Step]:
        """All of them, in order."""
        return [
            self._train_heads(),
            self._measure(),
            self._write_cards(),
            self._learn_directions(),
            self._calibrate_int8(),
            self._measure_curvature(),
            self._fit_trust(),
            self._fit_upright(),
            self._write_structures(),
        ]

    def _train_heads(self) -> Step:
        arguments = [*self._data, *self._seed, *self._cache, *self._device, *self._parts]
        arguments += ["--out", str(self._heads)]
        arguments += self._scaled("epochs", _EPOCHS) + self._scaled("views", _FEATURE_VIEWS)
        made_from = (self._weights.classifier, self._weights.encoder)
        makes = (self._new_heads, self._heads / "comparison.json")
        return module_step("heads", fused.main, arguments, made_from, makes)

    def _measure(self) -> Step:
        arguments = [*self._data, *self._seed, *self._cache, *self._device, *self._parts]
        arguments += ["--generator", str(self._weights.generator), "--heads", str(self._new_heads)]
        arguments += ["--json", str(self._measured)]
        arguments += ["--sheet", str(self._options.out / "faces.png")]
        arguments += self._scaled("faces", _FACES, 4) + self._scaled("samples", _SAMPLES, 32)
        arguments += self._scaled("steps", _STEPS, 2)
        made_from = (*self._networks, self._new_heads)
        return module_step("measurements", latent.main, arguments, made_from, (self._measured,))

    def _write_cards(self) -> Step:
        weights = self._weights
        made_from = (*self._networks, self._new_heads, self._measured)
        cards = tuple(path.with_suffix(".md") for path in weights.networks)

        def run() -> None:
            _write_cards(weights, self._heads, self._measured, self._options)

        return Step("cards", run, made_from, (weights.fused_heads, *cards))

    def _learn_directions(self) -> Step:
        sets = [str(path) for path in (self._options.data, *self._options.persons)]
        arguments = ["--data", *sets, *self._seed, *self._cache, *self._device]
        arguments += [*self._parts, "--generator", str(self._weights.generator)]
        arguments += ["--method", "drawn", "--expressions", *_DRAWN]
        arguments += self._scaled("steps", _DRAWINGS, 2)
        arguments += ["--out", str(self._weights.folder)]
        made = self._weights.directions
        makes = (made, made.with_suffix(".md"))
        return module_step("directions", directions.main, arguments, self._networks, makes)

    def _calibrate_int8(self) -> Step:
        weights = self._weights
        arguments = [*self._data, *self._cache, "--weights", str(weights.folder)]
        arguments += ["--out", str(weights.int8), *self._scaled("faces", _RANGES)]
        made_from = (weights.classifier, weights.encoder, self._new_heads)
        return module_step("int8", int8.main, arguments, made_from, (weights.int8,))

    def _measure_curvature(self) -> Step:
        weights = self._weights
        arguments = [*self._data, *self._seed, *self._cache, *self._device]
        arguments += ["--weights", str(weights.folder), "--out", str(weights.curvature)]
        arguments += self._scaled("faces", _STEEP_FACES)
        made = weights.curvature
        makes = (made, made.with_suffix(".md"))
        return module_step("curvature", curvature.main, arguments, self._networks, makes)

    def _fit_trust(self) -> Step:
        arguments = [*self._data, *self._seed, *self._device]
        arguments += ["--weights", str(self._weights.folder), "--out", str(self._weights.trust)]
        arguments += self._scaled("views", _TRUST_VIEWS)
        arguments += self._scaled("evaluation-faces", _JUDGED, 30)
        arguments += self._scaled("refined", _REFINED, 8)
        made_from = (*self._networks, self._new_heads, self._weights.curvature)
        return module_step("trust", trust.main, arguments, made_from, (self._weights.trust,))

    def _fit_upright(self) -> Step:
        weights = self._weights
        arguments = [*self._data, *self._seed, *self._device, "--weights", str(weights.folder)]
        arguments += ["--out", str(weights.upright), *self._scaled("views", _TURNED_VIEWS, 40)]
        return module_step(
            "upright", upright.main, arguments, (weights.encoder,), (weights.upright,)
        )

    def _write_structures(self) -> Step:
        weights = self._weights
        made_from = (*self._networks, self._new_heads)
        makes = tuple(structure_path(name, weights.folder) for name in FILES_OF)

        def run() -> None:
            write_structures(FILES_OF, structure_files(weights), weights.folder)

        return Step("structures", run, made_from, makes)

    def _scaled(self, name: str, usual: int, least: int = 1) -> list[str]:
        return [f"--{name}", str(max(round(usual * self._options.share), least))]


def _write_cards(
    weights: WeightFiles, heads: Path, measured: Path, options: argparse.Namespace
) -> None:
    commit = options.commit or commit_of_checkout()
    base = WeightFiles(options.weights)
    recipes = [
        trained_recipe(folder, commit) if folder else kept_recipe(old.with_suffix(".md"))
        for folder, old in (
            (options.generator, base.generator),
            (options.encoder, base.encoder),
        )
    ]
    run = LatentRun(recipes[0], recipes[1], read_json(measured), commit)
    ship(run, (weights.generator, weights.encoder), heads, weights)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(lambda: _make(_parser().parse_args(arguments)))


def _make(options: argparse.Namespace) -> None:
    if not 0 < options.share <= 1:
        raise ConfigError(f"--share: expected a number in (0, 1], got {options.share}")
    weights = WeightFiles(options.out / "weights")
    changed = Changed(options.classifier, options.generator, options.encoder)
    gather(WeightFiles(options.weights), changed, weights)
    take_steps(_Plan(weights, options).steps(), options.out / "steps.json")
    load_fused(*weights.face_network)
    for path in (*weights.networks, weights.directions):
        file_digest(path)
    print(f"{weights.folder}: whole, SHA-256 {digest(weights.face_network)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m streamfer.training.all",
        description="Makes everything that follows from a change of a network.",
    )
    parser.add_argument("--data", type=Path, required=True, help="FER2013 data with FER+ votes")
    parser.add_argument(
        "--persons", type=Path, nargs="*", default=(), help="more faces for the directions"
    )
    parser.add_argument("--landmarks", type=Path, help="landmark cache (NPZ), made if missing")
    parser.add_argument("--out", type=Path, required=True, help="folder; weights/ in it can ship")
    parser.add_argument("--classifier", type=Path, help="new weights, with their card beside them")
    parser.add_argument("--generator", type=Path, help="folder of a new training of it")
    parser.add_argument("--encoder", type=Path, help="folder of a new training of it")
    parser.add_argument(
        "--weights", type=Path, default=SHIPPED.folder, help="the others; default: the shipped ones"
    )
    parser.add_argument("--commit", help="of the code that trained; default: this checkout's")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the usual length of every step, to try the way"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
