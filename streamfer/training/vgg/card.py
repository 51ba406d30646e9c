"""The card that lies beside trained weights: what they are, and what they are not."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from streamfer.evaluation.metrics import accuracy, expected_calibration_error
from streamfer.labels import LABEL_SETS, LABELS
from streamfer.models.shipped import weights_sha256
from streamfer.models.vgg import load_face_vgg
from streamfer.training.faces.data import NO_LABEL
from streamfer.training.splits import Splits
from streamfer.training.vgg.classifier_run import ClassifierRun
from streamfer.training.vgg.scoring import EvaluationFaces, predict_logits

_TEXT = """\
# {name}: seven expressions from an aligned face

VGG19 with batch normalisation, width {width:g}, {input_size} px inside, one trunk and two heads;
{parameters:,} parameters, {size:.1f} MiB: convolutions and heads as {storage}, the rest as float32;
the temperatures of both heads are part of the file.

- Input: 64 × 64 gray uint8, aligned by `streamfer.vision.align`.
- Output: probabilities of {expressions}: `ferplus` (what ten
  people said they saw) and `fer2013` (the label the picture came with). Trained: {heads}.
- SHA-256: `{sha256}`

## Data

{faces} training pictures of `{data}`; {held_out} more, one in 32, were kept back to fit the
temperatures. The validation faces chose the epoch and nothing else; they are: {how}.

{summary}

## Measured on the {validation} validation faces, from this file, one crop

| head | faces | accuracy | ECE, 15 bins |
|---|---|---|---|
{scores}

## Recipe

Epoch {epoch} of {epochs}, averaged weights, from {start}; code at commit `{commit}`.

```
{recipe}
```

## Intended use, and limits

These labels say what an expression looks like to strangers who see one cropped, often posed picture
from the web. They do not say what a person feels, thinks or intends. People agree on such labels in
about two cases of three; disgust and fear are rare in the data and often wrong in the answers. The
pictures over-represent actors, adults and Western media, and accuracy for other groups of people
has not been measured. Do not use the answers to judge, select, grade or watch individuals.
"""


@dataclass(frozen=True, slots=True)
class Learned:
    """What a run learned from."""

    data: str
    """Name of the data set."""
    splits: Splits
    faces: int
    """Of the training faces, how many taught; the others were kept back."""
    initial: Path | None = None
    """The weights that the run started from."""
    teachers: Sequence[Path] = ()
    """The weights whose mean answers it learned from."""


def write_card(
    weights: Path,
    run: ClassifierRun,
    metrics: Sequence[Mapping[str, Any]],
    learned: Learned,
    exam: EvaluationFaces,
) -> Path:
    """Writes `weights`' card beside it, as Markdown.

    Args:
        weights: the file, as it will be shipped.
        run: the run that trained it.
        metrics: one row per epoch.
        learned: what it learned from.
        exam: validation faces, for the figures of the card.
    """
    model = load_face_vgg(weights)
    best = max(metrics, key=lambda row: float(row[f"mean_{run.config.choose_by}"]))
    text = _TEXT.format(
        name=weights.stem,
        width=model.config.width,
        input_size=model.config.input_size,
        parameters=sum(p.numel() for p in model.parameters()),
        storage=run.config.storage,
        size=weights.stat().st_size / 2**20,
        sha256=weights_sha256(weights),
        expressions=", ".join(model.expressions),
        heads=" and ".join(model.heads),
        faces=learned.faces,
        held_out=len(learned.splits.training) - learned.faces,
        how=learned.splits.how,
        summary=_summary(learned.splits),
        data=learned.data,
        validation=len(exam.crops),
        scores="\n".join(_scores(model, exam)),
        epoch=best["epoch"],
        epochs=run.config.epochs,
        start=_start(learned.initial, model.config.width) + _taught_by(learned.teachers),
        commit=commit_of_checkout(),
        recipe="\n".join(f"{k} = {v}" for k, v in asdict(run.config).items()),
    )
    card = weights.with_suffix(".md")
    card.write_text(text, "utf-8")
    return card


def _summary(splits: Splits) -> str:
    """Faces per class of both sides as a Markdown table, and what was passed over."""
    sides = {"training": splits.training.summary, "validation": splits.validation.summary}
    rows = [f"| | {' | '.join(LABELS)} |", "|---" * (len(LABELS) + 1) + "|"]
    for name, summary in sides.items():
        rows.append(f"| {name} | {' | '.join(str(summary.classes[label]) for label in LABELS)} |")
    lines = [f"{name}: {line}." for name, side in sides.items() for line in side.lines()]
    return "\n".join([*rows, "", *lines]).rstrip()


def _scores(model: Any, exam: EvaluationFaces) -> list[str]:
    rows = []
    logits = predict_logits(model, exam.crops)
    for head, name in enumerate(LABEL_SETS):
        known = exam.classes[head] != NO_LABEL
        if name not in model.heads or not known.any():
            continue
        probs = torch.softmax(logits[head] / model.temperature[head], dim=1).numpy()[known]
        classes = exam.classes[head][known]
        ece = expected_calibration_error(probs, classes)
        rows.append(f"| {name} | {len(classes)} | {accuracy(probs, classes):.2%} | {ece:.3f} |")
    return rows


def _start(initial: Path | None, width: float) -> str:
    if initial is None:
        return "random weights"
    narrower = load_face_vgg(initial).config.width
    widened = ", widened" if narrower < width else ""
    return f"weights of width {narrower:g} ({_digest(initial)}){widened}"


def _taught_by(teachers: Sequence[Path]) -> str:
    names = " and ".join(f"({_digest(path)})" for path in teachers)
    return f", taught by weights {names}" if teachers else ""


def _digest(weights: Path) -> str:
    return f"SHA-256 `{weights_sha256(weights)[:16]}…`"


def commit_of_checkout() -> str:
    """The checkout's commit; `unknown` where the package is not a checkout."""
    try:
        result = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return result.stdout.strip()
