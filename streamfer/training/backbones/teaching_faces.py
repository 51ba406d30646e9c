"""The faces of a run: those that teach, those that calibrate, those that are measured on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamfer.errors import ConfigError
from streamfer.evaluation.classifier import true_classes
from streamfer.evaluation.duplicates import Hashes, hash_pictures
from streamfer.labels import LABELS, LabelSet
from streamfer.training.backbones.views import CodeReader, Codes, Style, Views, in_style
from streamfer.training.faces.aligned import split_held_out
from streamfer.training.faces.batches import training_faces
from streamfer.training.faces.data import NO_LABEL, LabelledFaces
from streamfer.training.faces.landmarks import LandmarkCache, align_pictures, picture_key
from streamfer.training.splits import Splits
from streamfer.types import UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class ExamFaces:
    """Faces that networks are held against."""

    crops: UInt8Array = field(repr=False)
    """(n, 64, 64), in the style of the exam."""
    codes: Codes = field(repr=False)
    """(n, num_ws, w_dim), of these crops."""
    classes: NDArray[np.int64] = field(repr=False)
    """(n,) index into LABELS."""

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True, slots=True, eq=False)
class TeachingFaces:
    """Everything that a run learns from and is scored on."""

    views: Views
    classes: NDArray[np.int64] = field(repr=False)
    """(n,) of the faces in the views, index into LABELS."""
    calibration: ExamFaces
    """Training faces that were kept back; they fit the temperature."""
    validation: ExamFaces
    labels: LabelSet
    style: Style
    sha256: str
    """Of pictures, as they are shown, and labels: a resumed run must go on with the same."""
    how: str
    """Where the validation faces come from, for people."""
    hashes: Hashes = field(repr=False)
    """Of the training pictures."""
    expressions: tuple[str, ...]
    """Those that the training faces have."""


def pick_labels(faces: LabelledFaces, wanted: LabelSet | None) -> LabelSet:
    """Whose labels are learned: the wanted ones, else FER+'s where there are votes.

    Raises:
        ConfigError: the faces have no votes.
    """
    voted = bool(faces.votes.any())
    if wanted == "ferplus" and not voted:
        raise ConfigError("--labels ferplus: these faces have one label each, not votes")
    return wanted or ("ferplus" if voted else "fer2013")


def labelled(faces: LabelledFaces, labels: LabelSet) -> LabelledFaces:
    """The faces that have a class under these labels."""
    return faces.subset(np.flatnonzero(true_classes(faces, labels) != NO_LABEL))


def exam_of(
    faces: LabelledFaces,
    labels: LabelSet,
    style: Style,
    cache: LandmarkCache,
    reader: CodeReader,
) -> ExamFaces:
    """Aligned faces, their codes and classes; those without a class are left out."""
    known = labelled(faces, labels)
    crops = in_style(align_pictures(known.pictures, cache).reshape(-1, 64, 64), style)
    return ExamFaces(crops, reader.codes(crops), true_classes(known, labels))


def teaching_faces(
    splits: Splits,
    labels: LabelSet | None,
    style: Style,
    augment: float,
    cache: LandmarkCache,
    reader: CodeReader,
    folder: Path,
    notify: Callable[[str], None] = lambda _line: None,
) -> TeachingFaces:
    """Prepares the faces of runs.

    Args:
        splits: faces that teach and that are measured on.
        labels: whose; None takes FER+'s where there are votes.
        style: in which all faces are shown.
        augment: strength of the augmentation.
        cache: landmarks of all faces.
        reader: of codes.
        folder: keeps the views.
        notify: told what takes a while.

    Raises:
        ConfigError: no face has such a label.
        OutputError: the folder cannot be made.
    """
    chosen = pick_labels(splits.training, labels)
    training = labelled(splits.training, chosen)
    seen = set(true_classes(training, chosen).tolist())
    held_out, kept = split_held_out(training)
    if len(kept) < 2:
        raise ConfigError(f"{len(kept)} training faces have a label of the kind {chosen}")
    classes = true_classes(kept, chosen)
    taught = training_faces(kept, cache, 0.0)
    digest = hashlib.sha256(b"".join(picture_key(p) for p in kept.pictures) + classes.tobytes())
    digest.update(taught.to_crop.tobytes() + f"{style} {augment}".encode())
    # Of one seed, whatever that of a run: runs of several seeds share their views.
    views = Views(folder, taught, style, augment, 0, reader, notify)
    return TeachingFaces(
        views=views,
        classes=classes,
        calibration=exam_of(held_out, chosen, style, cache, reader),
        validation=exam_of(splits.validation, chosen, style, cache, reader),
        labels=chosen,
        style=style,
        sha256=digest.hexdigest(),
        how=splits.how,
        hashes=hash_pictures(splits.training.pictures),
        expressions=tuple(name for n, name in enumerate(LABELS) if n in seen),
    )
