"""How well faces are edited along directions: `python -m streamfer.evaluation.edit`.

Every part of the work that is finished lies in the results' folder, so that a run that was stopped
goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from streamfer.errors import ConfigError, OutputError
from streamfer.evaluation.edit_curves import (
    nearest_is_own,
    order_of_faces,
    order_of_mean,
    steps_that_rise,
    strength_for,
    success,
    success_interval,
)
from streamfer.evaluation.edit_pace import ENOUGH, SHARES, paced, paces
from streamfer.evaluation.edited_set import EditedSet, edited_set
from streamfer.evaluation.editor import Editor
from streamfer.evaluation.outside_judge import OutsideJudge
from streamfer.evaluation.report import write_json
from streamfer.labels import LABELS
from streamfer.media.files.array_file import NO_ARRAYS
from streamfer.models.directions import Directions, load_directions
from streamfer.models.inversion.curvature import curvature_of
from streamfer.models.inversion.descent import FIT_OF_AN_EDIT, LossWeights, search_of_an_edit
from streamfer.models.shipped import SHIPPED, digest
from streamfer.training.faces.aligned import aligned
from streamfer.training.faces.data import LabelledFaces
from streamfer.training.faces.landmarks import open_landmarks
from streamfer.training.faces.sources import held_out_split, read_faces
from streamfer.training.runs.command import ProgressLine, pick_device, run_command
from streamfer.training.whole_file import make_folder, whole_file, write_whole
from streamfer.types import FloatArray, UInt8Array

ORDERED = tuple(float(s) for s in np.linspace(-3, 3, 13))
"""Strengths over which the order is looked at (papers/README's protocol)."""
_FURTHER = (4.0, 5.0, 6.0, 8.0)
"""More of them, where so little does not change enough faces."""
SHARE = 0.8
"""Methods are compared where they change this share of the faces."""


def judge_direction(
    editor: Editor, judge: OutsideJudge, faces: EditedSet, directions: Directions, wanted: str
) -> dict[str, Any]:
    """Edits all faces towards one expression.

    Args:
        editor: draws, and reads with the networks at home here.
        judge: from outside.
        faces: to edit.
        directions: of the generator.
        wanted: name of the expression.

    Returns:
        Figures by both judges, identity and brightness where the outside judge finds 80 % changed.
    """
    strengths = np.array((*ORDERED, *_FURTHER), np.float32)
    answers: dict[str, list[FloatArray]] = {"home": [], "outside": []}
    shown = editor.read(editor.draw(faces.codes))
    vectors = np.stack([directions.towards(wanted, probs) for probs in shown])
    target = LABELS.index(wanted)
    own_paces = paces(editor, faces.codes, vectors, target)
    for code, vector, pace in zip(faces.codes, vectors, own_paces, strict=True):
        pictures = editor.draw(code + paced(strengths, pace)[:, None, None] * vector)
        answers["home"].append(editor.read(pictures))
        answers["outside"].append(judge.read(pictures))
    probs = {name: np.stack(rows) for name, rows in answers.items()}
    figures: dict[str, Any] = {
        name: _curve(rows, strengths, target) for name, rows in probs.items()
    }
    at = figures["outside"]["strength"]
    strength = at or float(strengths[-1])
    gone = paced(np.full(len(own_paces), strength, np.float32), own_paces)
    ways = gone[:, None, None] * vectors
    figures["identity"] = {"strength": strength, **_identity(editor, judge, faces, ways)}
    return figures


def _curve(probs: FloatArray, strengths: FloatArray, target: int) -> dict[str, Any]:
    curve = success(probs, strengths, target)
    ordered = probs[:, : len(ORDERED)]
    least = np.array(ORDERED, np.float32)
    return {
        "faces": int((probs[:, len(ORDERED) // 2].argmax(axis=1) != target).sum()),
        "success": {f"{s:g}": round(float(v), 4) for s, v in zip(strengths, curve, strict=True)},
        "interval_at_3": success_interval(probs, strengths, target, len(ORDERED) - 1),
        "strength": strength_for(SHARE, curve, strengths),
        "order_of_faces": order_of_faces(ordered, least, target),
        "order_of_mean": order_of_mean(ordered, least, target),
        "steps_that_rise": steps_that_rise(ordered, target),
    }


def _identity(
    editor: Editor, judge: OutsideJudge, faces: EditedSet, ways: FloatArray
) -> dict[str, Any]:
    before, after = editor.draw(faces.codes), editor.draw(faces.codes + ways)
    rank1, medians = nearest_is_own(judge.embed(after), judge.embed(before), faces.strangers)
    lighter = after.astype(np.float32).mean() - before.astype(np.float32).mean()
    return {"rank1": rank1, "median_distance": medians, "brightness": float(lighter)}


def control(directions: Directions, seed: int) -> Directions:
    """Random directions, as long as those that they stand beside."""
    noise = np.random.default_rng(seed).standard_normal(directions.vectors.shape)
    norms = np.linalg.norm(directions.vectors.reshape(len(noise), -1), axis=1)
    noise *= (norms / np.linalg.norm(noise.reshape(len(noise), -1), axis=1))[:, None, None]
    return Directions(directions.names, noise.astype(np.float32), directions.scores)


def resumed(path: Path, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What an earlier run has computed, or is computed and kept now.

    Raises:
        OutputError: it cannot be read or written.
    """
    if os.path.exists(path):
        try:
            found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise OutputError(f"{path}: cannot read earlier results: {error}") from error
        return found
    result = compute()
    write_whole(path, json.dumps(result, indent=1))
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: _evaluate(options))


def _evaluate(options: argparse.Namespace) -> None:
    if options.faces < 2:
        raise ConfigError(f"--faces {options.faces}: needs at least 2")
    if not 0 <= options.fit <= 1:
        raise ConfigError(f"--fit {options.fit}: expected 0 to 1")
    sets = {path.stem: load_directions(path) for path in options.directions}
    if len(sets) < len(options.directions):
        raise ConfigError("--directions: two files have the same name")
    sets["random"] = control(next(iter(sets.values())), options.seed)
    judge = OutsideJudge(options.judge)
    editor = _editor(options)
    folder = options.out / _task(options)
    make_folder(folder)
    faces = _prepared(options, editor, judge, folder)
    results: dict[str, Any] = {}
    with ProgressLine(len(sets) * len(options.emotions), "directions") as line:
        for name, directions in sets.items():
            for emotion in options.emotions:
                compute = partial(judge_direction, editor, judge, faces, directions, emotion)
                path = folder / f"{name}.{_digest(directions)}.{emotion}.json"
                figures = resumed(path, compute)
                results.setdefault(name, {})[emotion] = figures
                line.advance(1)
    Console().print(table(results), markup=False, highlight=False, soft_wrap=True)
    if options.json:
        write_json(
            {"faces": options.faces, "fit": options.fit, "directions": results}, options.json
        )


def _editor(options: argparse.Namespace) -> Editor:
    from streamfer.evaluation.inverted import load_latent_models
    from streamfer.evaluation.torch_editor import TorchEditor

    device = pick_device(options.device)
    models = load_latent_models(SHIPPED.generator, SHIPPED.encoder, SHIPPED.classifier, device)
    curvature = curvature_of(SHIPPED.generator, SHIPPED.classifier)
    return TorchEditor(models, search_of_an_edit(curvature, pull=options.pull))


def _prepared(
    options: argparse.Namespace, editor: Editor, judge: OutsideJudge, folder: Path
) -> EditedSet:
    path = folder / "faces.npz"
    if os.path.exists(path):
        try:
            with np.load(path) as kept:
                return EditedSet(kept["codes"], kept["strangers"])
        except NO_ARRAYS as error:
            raise ConfigError(f"{path}: damaged; delete it: {error}") from error
    persons = read_faces(options.persons, "train")
    if not persons.subjects:
        raise ConfigError(
            f"--persons {options.persons}: nothing says who is in its pictures; give a Parquet file"
            " with a column person"
        )
    public = read_faces(options.data, held_out_split(options.data))
    crops = _aligned(public, range(min(options.faces, len(public))), options.landmarks)
    # One picture of each person.
    _, rows = np.unique(persons.subjects, return_index=True)
    others = _aligned(persons, rows.tolist(), options.landmarks)
    faces = edited_set(editor, judge, crops, others, options.fit)
    with whole_file(path) as file:  # a run that goes on reads what is there
        np.savez(file, codes=faces.codes, strangers=faces.strangers)
    return faces


def _aligned(faces: LabelledFaces, rows: Sequence[int], landmarks: Path | None) -> UInt8Array:
    chosen = faces.subset(rows)
    return aligned(chosen, open_landmarks(landmarks, chosen.pictures)).crops


def _task(options: argparse.Namespace) -> str:
    """Names the folder by all that the codes depend on."""
    pull = f"-pull{options.pull:g}" if options.fit else ""
    networks = digest((SHIPPED.generator, SHIPPED.encoder, SHIPPED.classifier, SHIPPED.curvature))
    places = [str(path.resolve()) for path in (options.data, options.persons, options.judge)]
    known = hashlib.sha256("\n".join((networks, *places)).encode()).hexdigest()[:8]
    return f"faces{options.faces}-fit{options.fit:g}{pull}-{known}"


def _digest(directions: Directions) -> str:
    """Of what `Directions.towards` answers, for any face, and of how far faces go."""
    told = np.stack([directions.towards(name, np.full(7, 1 / 7)) for name in directions.names])
    return hashlib.sha256(
        directions.vectors.tobytes() + told.tobytes() + np.array((ENOUGH, *SHARES)).tobytes()
    ).hexdigest()[:8]


def table(results: dict[str, Any]) -> str:
    """The figures as a Markdown table, outside judge first, home in brackets."""
    rows = [
        "| directions | wanted | faces | changed at 1 / 2 / 3 | 80 % at | order (faces, mean)"
        " | own person nearest | at | lighter by |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, emotions in results.items():
        for emotion, figures in emotions.items():
            out, home, who = figures["outside"], figures["home"], figures["identity"]
            changed = " / ".join(f"{100 * out['success'][s]:.0f}" for s in "123")
            at_home = " / ".join(f"{100 * home['success'][s]:.0f}" for s in "123")
            places = " ".join(
                bracket.format("–" if s is None else f"{s:.1f}")
                for bracket, s in (("{}", out["strength"]), ("({})", home["strength"]))
            )
            rows.append(
                f"| {name} | {emotion} | {out['faces']} | {changed} ({at_home}) | {places}"
                f" | {out['order_of_faces']:.2f}, {out['order_of_mean']:.2f}"
                f" ({home['order_of_faces']:.2f}, {home['order_of_mean']:.2f})"
                f" | {100 * who['rank1']:.0f} % | {who['strength']:.1f}"
                f" | {who['brightness']:+.0f} |"
            )
    return "\n".join(rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m streamfer.evaluation.edit",
        description="Edit held-out faces along directions, and have judges say what came of it.",
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="faces to edit: the held-out ones of the set")
    add("--persons", type=Path, required=True, help="Parquet of known persons: the strangers")
    add("--judge", type=Path, required=True, help="folder `model` of @vladmandic/face-api")
    add("--directions", type=Path, nargs="+", default=[SHIPPED.directions], help="to compare")
    add("--emotions", nargs="+", choices=LABELS, default=list(LABELS), metavar="NAME")
    add("--faces", type=int, default=300, help="how many; default: %(default)s")
    add(
        "--fit",
        type=float,
        default=FIT_OF_AN_EDIT,
        help="share of the way from the encoder's code to the refined one; default: %(default)s",
    )
    add(
        "--pull",
        type=float,
        default=LossWeights().pull,
        help="of the refinement towards the encoder's code; default: %(default)s",
    )
    add("--landmarks", type=Path, help="landmark cache (NPZ), made if missing")
    add("--out", type=Path, required=True, help="folder for what is finished")
    add("--device", default="auto", help="cpu, cuda, cuda:N or auto")
    add("--seed", type=int, default=0, help="of the random directions")
    add("--json", type=Path, help="write the figures there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
