"""`streamfer weights`: what is shipped, what can be had, and whether it is what it should be."""

from __future__ import annotations

import difflib
import hashlib
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from streamfer.app.cli.download import download
from streamfer.app.networks.published import (
    PUBLISHED,
    PublishedWeights,
    load_published,
    weights_folder,
)
from streamfer.errors import ConfigError, EngineError
from streamfer.models.shipped import SHIPPED, WeightFiles, file_digest

_MOST_BYTES = 4 * 1024**3
"""The largest that are published have 1.2 GB."""


def list_weights(console: Console, folder: Path | None = None) -> int:
    """Shows the shipped weights, and the published ones that are here or can be pulled.

    Returns:
        The exit code, 0.
    """
    folder = folder or weights_folder()
    table = Table(box=None)
    for heading in ("name", "licence", "where"):
        table.add_column(heading)
    for path in sorted(SHIPPED.folder.glob("*.safetensors")):
        table.add_row(path.stem, "Apache-2.0", f"shipped, {path.stat().st_size / 1e6:.1f} MB")
    for weights in PUBLISHED.values():
        path = folder / weights.file_name
        absent = f"not here; {weights.command}"
        table.add_row(weights.name, weights.licence, str(path) if os.path.exists(path) else absent)
    console.print(table)
    return 0


def pull_weights(
    console: Console,
    name: str,
    source: Path | None = None,
    folder: Path | None = None,
    load: Callable[[str, Path], None] = load_published,
) -> int:
    """Brings published weights to where Streamfer looks for them.

    Args:
        console: where to show licence and progress.
        name: a key of PUBLISHED.
        source: a file to take instead of downloading it.
        folder: where to put it; None takes the usual place.
        load: loads the weights of that name from a file that nobody published a checksum of, as
            the network itself would; raises EngineError where they do not fit it.

    Returns:
        The exit code, 0.

    Raises:
        ConfigError: nothing of this name is published.
        EngineError: it cannot be had, or is not what its publisher says it is.
    """
    weights = _look_up(name)
    if weights.by_hand and source is None:
        raise EngineError(
            f"{name}: nobody published a checksum of this file, so it is not downloaded; fetch it"
            f" yourself from {weights.url} (licence: {weights.licence}), then: {weights.command}"
        )
    path = (folder or weights_folder()) / weights.file_name
    part = path.with_name(path.name + ".part")
    _say(console, f"{name}: licence {weights.licence}, from {weights.url}")
    _bring(console, weights, source, part)
    digest = _sha256(part)
    if weights.sha256 not in (None, digest):
        part.unlink()
        raise EngineError(
            f"{name}: its SHA-256 is {digest}, not {weights.sha256}: damaged or replaced; deleted"
        )
    if weights.sha256 is None:
        _refuse_others(name, part, load)
    part.replace(path)
    _note(path).write_text(f"{digest}\n")
    _say(console, f"{name}: {path}, SHA-256 {digest}")
    return 0


def _bring(console: Console, weights: PublishedWeights, source: Path | None, part: Path) -> None:
    """Copies or downloads weights to where they are checked.

    Raises:
        EngineError: they cannot be had, or the folder cannot be written.
    """
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        if source is not None:
            _copy(source, part)
    except OSError as error:
        raise EngineError(f"{source or part.parent}: {error.strerror or error}") from error
    if source is None:
        _download(console, weights, part)


def _copy(source: Path, part: Path) -> None:
    """Copies a file that somebody names, which need not be weights at all.

    Raises:
        EngineError: it is no file, or larger than any weights are.
        OSError: it cannot be read, or the copy not be written; no half of one stays.
    """
    status = source.stat()
    if not stat.S_ISREG(status.st_mode):
        raise EngineError(f"{source}: is no file")
    if status.st_size > _MOST_BYTES:
        raise EngineError(f"{source}: is larger than any of these weights")
    try:
        shutil.copyfile(source, part)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _refuse_others(name: str, part: Path, load: Callable[[str, Path], None]) -> None:
    """Without a checksum only the network itself can say whether a file is its own."""
    try:
        load(name, part)
    except EngineError as error:
        part.unlink()
        reason = str(error).replace(f"{part}: ", "").replace(f"{part.name}: ", "")
        raise EngineError(f"{name}: not taken: {reason}") from error


def verify_weights(
    console: Console, folder: Path | None = None, shipped: WeightFiles = SHIPPED
) -> int:
    """Holds the shipped weights against their cards, and the pulled ones against their checksums.

    Returns:
        The exit code: 0, or 5 where a file is missing or not what it should be.
    """
    files = sorted({*shipped.networks, *shipped.folder.glob("*.safetensors")})
    intact = [_verify_shipped(console, path) for path in files]
    return max(
        _verify_pulled(console, folder or weights_folder()),
        0 if all(intact) else EngineError.exit_code,
    )


def _verify_shipped(console: Console, path: Path) -> bool:
    try:
        file_digest(path)
    except EngineError as error:
        _say(console, str(error))
        return False
    if not os.path.isfile(path.with_suffix(".md")):
        _say(console, f"{path}: no card beside it says what it should be")
        return False
    _say(console, f"{path.stem}: ok")
    return True


def _verify_pulled(console: Console, folder: Path) -> int:
    present = [w for w in PUBLISHED.values() if os.path.exists(folder / w.file_name)]
    if not present:
        _say(console, f"{folder} holds no weights")
    damaged = False
    for weights in present:
        path = folder / weights.file_name
        good = _sha256(path) == (weights.sha256 or _noted(path))
        damaged |= not good
        advice = f"damaged or replaced; {weights.command}"
        _say(console, f"{weights.name}: {'ok' if good else advice}")
    return EngineError.exit_code if damaged else 0


def _look_up(name: str) -> PublishedWeights:
    if name in PUBLISHED:
        return PUBLISHED[name]
    near = difflib.get_close_matches(name, PUBLISHED, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(PUBLISHED)}"
    raise ConfigError(f"no weights are called {name!r}; {hint}")


def _download(console: Console, weights: PublishedWeights, part: Path) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(weights.name, total=None)
        download(
            weights.url,
            part,
            lambda have, total: progress.update(task, completed=have, total=total),
        )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EngineError(f"{path}: cannot read it: {error.strerror or error}") from error


def _note(path: Path) -> Path:
    """Where the checksum of a pulled file is noted."""
    return path.with_name(path.name + ".sha256")


def _noted(path: Path) -> str | None:
    try:
        return _note(path).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
