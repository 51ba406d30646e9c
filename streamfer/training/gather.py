"""Puts the networks that ship together: those that have changed, and the others as they are."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from streamfer.errors import ConfigError, OutputError
from streamfer.models.shipped import WeightFiles
from streamfer.models.structures import FILES_OF, structure_path

_HASHES = "fer2013_training_hashes"


@dataclass(frozen=True, slots=True)
class Changed:
    """What was trained again; None is as it was."""

    classifier: Path | None = None
    """Its weights, with their card beside them."""
    generator: Path | None = None
    """Folder of its training."""
    encoder: Path | None = None
    """Folder of its training."""


def gather(base: WeightFiles, changed: Changed, to: WeightFiles) -> None:
    """Copies networks, with cards that describe them, into a folder.

    Files that are there and the same stay untouched; what else lies in the folder, made from
    earlier networks, stays until it is made anew.

    Args:
        base: the networks that have not changed.
        changed: the others.
        to: the folder, made where it is missing.

    Raises:
        ConfigError: a file of what has changed is missing.
        OutputError: a file cannot be copied.
    """
    new: dict[Path, Path] = {}
    if changed.classifier:
        new[to.classifier] = changed.classifier
    for folder, target, name in (
        (changed.generator, to.generator, "generator"),
        (changed.encoder, to.encoder, "encoder"),
    ):
        if folder:
            new[target] = folder / f"{name}.safetensors"
    sources = {
        to.classifier: base.classifier,
        to.generator: base.generator,
        to.encoder: base.encoder,
        **new,
    }
    for source in sources.values():
        if not source.is_file():
            raise ConfigError(f"{source}: no such file")
    try:
        to.folder.mkdir(parents=True, exist_ok=True)
        for target, source in sources.items():
            # A card of other weights would forbid to load these; theirs is written later.
            if not _is_same(source, target):
                target.with_suffix(".md").unlink(missing_ok=True)
                _copy(source, target)
            if source.with_suffix(".md").is_file():
                _copy(source.with_suffix(".md"), target.with_suffix(".md"))
        others = [base.folder / f"{_HASHES}{end}" for end in (".safetensors", ".md")]
        others += [structure_path(name, base.folder) for name in FILES_OF]
        for source in others:
            if source.is_file() and not (to.folder / source.name).exists():
                _copy(source, to.folder / source.name)
    except OSError as error:
        raise OutputError(f"{to.folder}: cannot gather there: {error.strerror}") from error


def _is_same(source: Path, target: Path) -> bool:
    return target.is_file() and source.read_bytes() == target.read_bytes()


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
