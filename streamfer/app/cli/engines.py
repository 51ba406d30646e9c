"""`streamfer engines`: what is compiled, compile ahead of time, throw away."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from streamfer.app.config import RunConfig
from streamfer.app.networks.models import open_models
from streamfer.app.terminal.build_progress import BuildProgress
from streamfer.runtime.store.store import EngineStore, StoreEntry


def list_engines(console: Console, store: EngineStore | None = None) -> int:
    """Shows what the store holds.

    Returns:
        The exit code, 0.
    """
    store = store or EngineStore()
    entries = store.entries()
    if not entries:
        console.print(f"{store.root} holds no engines yet", markup=False, highlight=False)
        return 0
    table = Table(box=None, title=str(store.root), title_justify="left")
    for heading in ("model", "backend", "version", "precision", "device"):
        table.add_column(heading)
    table.add_column("size", justify="right")
    for entry in entries:
        table.add_row(*_describe(entry), _megabytes(entry.size))
    console.print(table)
    return 0


def build_engines(console: Console, config: RunConfig, store: EngineStore | None = None) -> int:
    """Compiles the networks of a run ahead of time, and shows the store afterwards.

    Args:
        console: where to show the progress and the outcome.
        config: names detector, backend, device, precision.
        store: where to keep them; None takes the usual place.

    Returns:
        The exit code, 0.

    Raises:
        ConfigError: the detector is not to be had.
        EngineError: a network is missing or broken, or no backend works.
    """
    with BuildProgress(console, config.quiet) as progress:
        store = store or EngineStore(notify=progress.note)
        open_models(config, store, progress.report).close()
    return list_engines(console, store)


def clean_engines(console: Console, store: EngineStore | None = None) -> int:
    """Empties the store, after saying what of it goes.

    Returns:
        The exit code, 0.

    Raises:
        EngineError: something could not be deleted.
    """
    store = store or EngineStore()
    for entry in store.entries():
        line = f"deleting {entry.path}: {' '.join(filter(None, _describe(entry)))}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    removed = store.clean()
    freed = _megabytes(sum(entry.size for entry in removed))
    line = f"{store.root}: {len(removed)} removed, {freed} freed"
    console.print(line, markup=False, highlight=False)
    return 0


def _describe(entry: StoreEntry) -> tuple[str, str, str, str, str]:
    key = entry.key
    if key is None:
        return entry.path.name, "damaged or unfinished", "", "", ""
    device = key.device.partition(" (")[0]  # without the processor's features
    if key.backend.endswith("-check"):  # its version is that of everything installed
        return key.model, key.backend, "", key.precision, device
    return key.model, key.backend, key.version.partition("-")[0], key.precision, device


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
