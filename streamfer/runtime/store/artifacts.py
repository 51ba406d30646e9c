"""One artifact in a store: a folder with the bytes, and with what they are of."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from dataclasses import asdict, fields
from pathlib import Path

from streamfer.errors import EngineError
from streamfer.runtime.store.engine_key import EngineKey

_PAYLOAD = "engine.bin"
_DESCRIPTION = "engine.json"
_BUILDING = ".building-"


def write_artifact(root: Path, key: EngineKey, payload: bytes) -> None:
    """Puts an artifact in its place in a store by one rename; the key's lock is held.

    Raises:
        OSError: it cannot be written; what was there before may be gone.
    """
    description = {"key": asdict(key), "sha256": _sha256(payload), "bytes": len(payload)}
    building = root / f"{_BUILDING}{key.short_digest}"
    folder = root / key.folder
    try:
        # The lock is held, so an old folder of this name was left by a killed process.
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        _write_synced(building / _PAYLOAD, payload)
        _write_synced(building / _DESCRIPTION, json.dumps(description, indent=2).encode())
        if folder.exists():
            shutil.rmtree(folder)
        building.rename(folder)
    except OSError:
        shutil.rmtree(building, ignore_errors=True)
        raise


def is_artifact(path: Path) -> bool:
    """Whether a path in a store is an artifact, or what a killed build left of one."""
    return path.is_dir() and (path.name.startswith(_BUILDING) or not path.name.startswith("."))


def read_checked(folder: Path, key: EngineKey) -> bytes:
    """The artifact's bytes.

    Raises:
        FileNotFoundError: there is none.
        EngineError: it is damaged or belongs to another key.
    """
    payload = (folder / _PAYLOAD).read_bytes()
    if _read_description(folder, key) != (_sha256(payload), len(payload)):
        raise EngineError("the stored one is damaged")
    return payload


def described_sha256(folder: Path, key: EngineKey) -> str | None:
    """What the artifact is said to be; None where it is missing, cut short or another key's."""
    try:
        sha256, size = _read_description(folder, key)
        return sha256 if (folder / _PAYLOAD).stat().st_size == size else None
    except (EngineError, OSError):
        return None


def _read_description(folder: Path, key: EngineKey) -> tuple[str, int]:
    """SHA-256 (hex) and size in bytes that an artifact should have.

    Raises:
        EngineError: the description is missing or damaged, or of another key.
    """
    try:
        description = json.loads((folder / _DESCRIPTION).read_bytes())
        stored_key, sha256, size = (description[name] for name in ("key", "sha256", "bytes"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError("its description is missing or damaged") from error
    if stored_key != asdict(key):
        raise EngineError("the stored one was made for something else")
    return str(sha256), int(size)


def read_key(folder: Path) -> EngineKey | None:
    """The key of an artifact; None where its description is missing or broken."""
    try:
        stored = json.loads((folder / _DESCRIPTION).read_bytes())["key"]
        return EngineKey(**stored)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def differences(old: EngineKey, new: EngineKey) -> str:
    """In what two keys differ, for people."""
    names = {"model_sha256": "the model", "recipe": "the recipe", "shapes": "the shapes"}
    changed = []
    for name in (field.name for field in fields(EngineKey)):
        before, now = getattr(old, name), getattr(new, name)
        if before != now:
            changed.append(
                f"{names[name]} changed" if name in names else f"{name} was {before}, is {now}"
            )
    return ", ".join(changed)


def folder_size(folder: Path) -> int:
    """Bytes of the files in a folder; what another process takes away meanwhile counts nothing."""
    size = 0
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                size += path.stat().st_size if path.is_file() else 0
    return size


def _sha256(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
