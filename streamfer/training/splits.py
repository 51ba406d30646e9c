"""Which faces teach and which choose: never the same on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfer.errors import ConfigError
from streamfer.evaluation.duplicates import duplicate_groups, hash_pictures, near_duplicates
from streamfer.training.faces.data import LabelledFaces
from streamfer.training.faces.sources import read_faces, splits_of
from streamfer.training.reading import Reading

VALIDATION_SHARE = 0.1
"""Of the training faces, where the data have no validation faces of their own."""

_LEAK = 0.25
"""Share of held-out faces that may have a near-duplicate among the training faces, which then go
there. FER2013, gathered from the web, has a sixth; more is a set that was put into training."""

_DEFAULT = Reading()


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """Faces to learn from, and faces that choose between what was learned."""

    training: LabelledFaces = field(repr=False)
    validation: LabelledFaces = field(repr=False)
    how: str
    """Where the validation faces come from, for people."""


def read_splits(
    data: Path,
    validation: Path | None = None,
    reading: Reading = _DEFAULT,
    share: float = VALIDATION_SHARE,
    seed: int = 0,
) -> Splits:
    """Reads training and validation faces.

    The validation faces are those given, else the data's own validation split, else a part of the
    training faces: whole subjects where they are known, and no near-duplicate on the other side. A
    test split is not touched, but for training faces that it has too: those go.

    Args:
        data: what `read_faces` takes.
        validation: faces that choose; None takes them from `data`.
        reading: how both are read.
        share: of the training faces that choose, where the data have none for it.
        seed: of that choice.

    Raises:
        ConfigError: the data are wrong, cannot be split, or held-out faces are among the training
            faces.
    """
    if not 0.0 < share < 1.0:
        raise ConfigError(f"--validation-share: expected a number in (0, 1), got {share}")
    present = splits_of(data)
    training = read_faces(data, "train", reading)
    if "test" in present:
        training, gone = _without_copies(training, read_faces(data, "test", reading), "test")
    else:
        gone = ""
    if validation is None and "validation" not in present:
        return _split(training, share, seed, gone, str(data))
    chosen = read_faces(validation or data, "validation", reading)
    training, copies = _without_copies(training, chosen, "validation")
    origin = "given by --validation" if validation else "the data's own validation split"
    return Splits(training, chosen, f"{origin}{copies}{gone}")


def _without_copies(
    training: LabelledFaces, held_out: LabelledFaces, name: str
) -> tuple[LabelledFaces, str]:
    """The training faces that are no near-duplicate of a held-out one, and what to say of it.

    Raises:
        ConfigError: so many are that the held-out set itself was put into training.
    """
    mine, theirs = hash_pictures(training.pictures), hash_pictures(held_out.pictures)
    leaked = near_duplicates(theirs, mine)
    if leaked.mean() > _LEAK:
        first = held_out.names[int(np.flatnonzero(leaked)[0])]
        raise ConfigError(
            f"{int(leaked.sum())} of {len(leaked)} {name} faces are among the training faces too,"
            f" nearly or exactly (the first is {first}): what is measured on them would say"
            " nothing; keep them apart"
        )
    if not leaked.any():
        return training, ""
    copies = near_duplicates(mine, theirs)
    kept = training.subset(np.flatnonzero(~copies))
    return kept, f"; {int(copies.sum())} training faces left out, near-duplicates of {name} faces"


def _split(faces: LabelledFaces, share: float, seed: int, gone: str, where: str) -> Splits:
    groups = joint_groups(faces)
    chosen = _choose(groups, share, seed)
    if chosen is None:
        raise ConfigError(
            f"{where}: no faces can be held out for validation: all belong together, as pictures of"
            " one person or near-duplicates; give others with --validation"
        )
    by = "subjects" if faces.subjects else "faces"
    how = (
        f"{int(chosen.sum())} of {len(faces)} training faces, whole {by} chosen with seed {seed},"
        f" no near-duplicate on the other side{gone}"
    )
    kept = faces.subset(np.flatnonzero(~chosen))
    return Splits(kept, faces.subset(np.flatnonzero(chosen)), how)


def joint_groups(faces: LabelledFaces) -> NDArray[np.int64]:
    """(n,) group of each face: those of one subject and near-duplicates are together."""
    subjects = None
    if faces.subjects:
        _, subjects = np.unique(np.asarray(faces.subjects), return_inverse=True)
    return duplicate_groups(hash_pictures(faces.pictures), subjects)


def _choose(groups: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_] | None:
    """(n,) which faces are held out: whole groups, about the share; None where there is one."""
    sizes = np.bincount(groups)
    if len(sizes) < 2:
        return None
    wanted = max(share * len(groups), 1)
    order = np.random.default_rng(seed).permutation(len(sizes))
    taken: list[int] = []
    room = wanted
    for group in order:
        if sizes[group] <= room:
            taken.append(int(group))
            room -= sizes[group]
    if not taken:  # every group is larger than the share
        taken = [int(sizes.argmin())]
    return np.isin(groups, taken)


def assign_folds(groups: Sequence[Any], folds: int, seed: int) -> NDArray[np.int64]:
    """(n,) fold of each row: a group is never split, and folds are near equal in size.

    Args:
        groups: what each row belongs to.
        folds: how many.
        seed: of the order in which groups are dealt out.

    Raises:
        ConfigError: there are fewer groups than folds.
    """
    names, members = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < folds:
        raise ConfigError(f"{folds} folds need as many groups, there are {len(names)}")
    sizes = np.bincount(members)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    # Large groups first, each into the fold that is the smallest so far.
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    load, fold_of = np.zeros(folds, np.int64), np.zeros(len(names), np.int64)
    for group in order:
        fold_of[group] = load.argmin()
        load[fold_of[group]] += sizes[group]
    return fold_of[members]
