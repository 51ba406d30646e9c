"""The faces on which classifiers with and without the latent are held against each other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamfer.errors import ConfigError
from streamfer.evaluation.classifier import true_classes
from streamfer.evaluation.conditions import CONDITIONS, most_turned, under
from streamfer.labels import LabelSet
from streamfer.media.files.array_file import NO_ARRAYS
from streamfer.models.shipped import weights_sha256
from streamfer.training.backbones.teaching_faces import ExamFaces, labelled
from streamfer.training.backbones.views import CodeReader, Style, in_style
from streamfer.training.faces.data import LabelledFaces
from streamfer.training.faces.landmarks import LandmarkCache, align_pictures, picture_key
from streamfer.training.whole_file import make_folder, whole_file
from streamfer.types import FloatArray, UInt8Array

_Make = Callable[[], tuple[UInt8Array, NDArray[np.int64]]]
"""Makes the crops of an exam and their classes."""

PLAIN, OTHER_STYLE, PERSONS, TURNED = "plain", "other style", "persons", "turned"


@dataclass(frozen=True, slots=True, eq=False)
class Exams:
    """Exams by name, and which faces of the plain one are turned."""

    faces: dict[str, ExamFaces] = field(repr=False)
    turned: NDArray[np.bool_] = field(repr=False)
    """(n,) of the plain exam."""
    sha256: str
    """Of all of it."""


def make_exams(
    validation: LabelledFaces,
    persons: LabelledFaces | None,
    labels: LabelSet,
    style: Style,
    cache: LandmarkCache,
    reader: CodeReader,
    folder: Path,
    notify: Callable[[str], None] = lambda _line: None,
) -> Exams:
    """Makes the exams, or takes them from files.

    A condition changes the photograph, which is drawn in pencil afterwards where the style asks for
    it: the encoder and the trunk see the same picture.

    Args:
        validation: faces that nothing was trained on.
        persons: faces of other persons, from another set; None leaves them out.
        labels: whose classes count.
        style: of all exams but `other style`.
        cache: landmarks of all.
        reader: of codes.
        folder: keeps the crops and codes.
        notify: told what takes a while.

    Raises:
        ConfigError: a file that was kept is damaged.
        OutputError: the folder cannot be written.
    """
    known = labelled(validation, labels)
    wanted = _wanted(known, labels, style, cache)
    if persons is not None:
        strangers = labelled(persons, labels)
        wanted[PERSONS] = lambda: (
            in_style(_crops(strangers, cache), style),
            true_classes(strangers, labels),
        )
    digest = _digest(validation, persons, labels, style, cache, reader)
    keep = folder / digest[:16]
    made = {name: _kept(keep, name, make, reader, notify) for name, make in wanted.items()}
    return Exams(made, most_turned(_landmarks(known, cache)), digest)


def _wanted(
    faces: LabelledFaces, labels: LabelSet, style: Style, cache: LandmarkCache
) -> dict[str, _Make]:
    """The exams on faces that nothing was trained on, by name."""
    crops, classes = _crops(faces, cache), true_classes(faces, labels)
    other: Style = "photo" if style == "sketch" else "sketch"
    return {
        PLAIN: lambda: (in_style(crops, style), classes),
        **{
            name: lambda name=name: (in_style(under(name, crops), style), classes)  # type: ignore[misc]
            for name in CONDITIONS
        },
        OTHER_STYLE: lambda: (in_style(crops, other), classes),
    }


def _crops(faces: LabelledFaces, cache: LandmarkCache) -> UInt8Array:
    """(n, 64, 64)."""
    return align_pictures(faces.pictures, cache).reshape(-1, 64, 64)


def _kept(
    folder: Path,
    name: str,
    make: _Make,
    reader: CodeReader,
    notify: Callable[[str], None],
) -> ExamFaces:
    path = folder / f"{name.replace(' ', '-')}.npz"
    if not path.exists():
        crops, classes = make()
        notify(f"encoding {len(crops)} faces of the exam: {name} (once)")
        codes = reader.codes(crops)
        make_folder(folder)
        with whole_file(path) as file:
            np.savez(file, crops=crops, codes=codes, classes=classes)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return ExamFaces(arrays["crops"], arrays["codes"], arrays["classes"])
    except NO_ARRAYS as error:
        raise ConfigError(f"{path}: damaged; delete it: {error}") from error


def _landmarks(faces: LabelledFaces, cache: LandmarkCache) -> FloatArray:
    points = np.full((len(faces), 5, 2), np.nan, np.float32)
    for row, picture in enumerate(faces.pictures):
        detection = cache.detection(picture)
        if detection is not None:
            points[row] = detection.landmarks
    return points


def _digest(
    validation: LabelledFaces,
    persons: LabelledFaces | None,
    labels: LabelSet,
    style: Style,
    cache: LandmarkCache,
    reader: CodeReader,
) -> str:
    digest = hashlib.sha256(f"{labels} {style} {weights_sha256(reader.path)}".encode())
    for part in (validation, persons):
        pictures = part.pictures if part is not None else ()
        digest.update(b"".join(picture_key(picture) for picture in pictures) + b"|")
        digest.update(cache.matrices(pictures).tobytes())
    return digest.hexdigest()
