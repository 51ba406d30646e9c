"""The card of directions."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamfer.labels import LABELS, NUM_LABELS
from streamfer.models.directions import Directions, index_mask
from streamfer.training.latent.direction_fit import CodedFaces
from streamfer.training.vgg.card import commit_of_checkout

_CARD = """\
# directions_faces64: expressions and pose as directions in W+

{count} directions of {num_ws} × {w_dim}: {names}.
Codes are `encoder_faces64`'s. One unit of strength is one standard deviation of the training codes,
whose mean is in the file, too.

- SHA-256: `{sha256}`

## Data

{faces:,} faces of {sets} data sets, {persons:,} persons with more than one expression among them:
{counts}. Faces are aligned by `streamfer.vision.align`.

## Recipe

Method {method}, layers {layers}, seed {seed}; code at commit `{commit}`.

Independent components over {seeds} seeds, mean cosine with those of the first:
{stability}.

Indices kept of {indices} by eq. 11 of the paper, median and mean of the positive scores:
{kept}.

## Intended use, and limits

To move the code of a face so that its picture looks like another expression, for explanation and
study. Fear and disgust are rare in the data, and their directions are weak. How well it works is in
`docs/latent-per.md`. Not to be used to fake pictures of people.
"""


def card(
    path: Path,
    directions: Directions,
    coded: CodedFaces,
    options: argparse.Namespace,
    settled: NDArray[np.float64],
) -> str:
    """What the directions are, and what they are not, as Markdown."""
    num_ws, w_dim = directions.code_shape
    counts = np.bincount(coded.classes, minlength=NUM_LABELS)
    _, sizes = np.unique(coded.groups[coded.groups >= 0], return_counts=True)
    kept = {
        name: [int(index_mask(row, h).sum()) for h in ("median", "mean")]
        for name, row in zip(directions.names[:NUM_LABELS], directions.scores, strict=False)
    }
    return _CARD.format(
        count=len(directions.names),
        num_ws=num_ws,
        w_dim=w_dim,
        names=", ".join(directions.names),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        faces=len(coded.codes),
        sets=len(options.data),
        persons=int((sizes > 1).sum()),
        counts=", ".join(f"{name} {n:,}" for name, n in zip(LABELS, counts, strict=True)),
        method=_told(options),
        layers=options.layers,
        seed=options.seed,
        commit=commit_of_checkout(),
        seeds=options.seeds,
        stability=", ".join(f"{n} {v:.2f}" for n, v in zip(LABELS, settled, strict=True)),
        indices=num_ws * w_dim,
        kept=", ".join(f"{name} {a} and {b}" for name, (a, b) in kept.items()),
    )


def _told(options: argparse.Namespace) -> str:
    names = options.expressions
    if options.method != "drawn" or set(names) == set(LABELS):
        return f"`{options.method}`"
    return f"`drawn` for {', '.join(names)} and `matched` for the others"
