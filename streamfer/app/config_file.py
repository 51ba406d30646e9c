"""The run's configuration as a file: what `--save-config` writes, `--config` reads."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamfer.app.config import RunConfig, flag_name
from streamfer.errors import ConfigError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.redact import MASK, redact_url
from streamfer.media.sources.source_list import names_path

_NOT_SAVED = frozenset({"save_config"})
"""Read back, it would make every run write over the file that it was told by."""


def anchored(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The same values with relative paths taken from a folder, and `~` from the user's home.

    Args:
        values: of `RunConfig` fields.
        folder: where the file of options lies.

    Raises:
        ConfigError: a path names a user who is not known.
    """
    return {name: _anchored(name, value, folder) for name, value in values.items()}


def to_text(config: RunConfig, path: Path) -> str:
    """The resolved configuration as text: JSON where the path ends in `.json`, else TOML.

    Paths are absolute, so that they mean the same wherever the file lies. Credentials are left
    out: `***` stands in their place.
    """
    values = anchored(
        {field.name: getattr(config, field.name) for field in dataclasses.fields(config)},
        Path.cwd(),
    )
    absolute = RunConfig(**values)
    if path.suffix.lower() == ".json":
        return absolute.to_json()
    lines = [
        f"{flag_name(name)} = {_toml(getattr(absolute, name))}\n"
        for name in values
        if name not in _NOT_SAVED and getattr(absolute, name) is not None
    ]
    return "".join(lines)


def check_file(path: Path, config: RunConfig, *, sources_from_file: bool) -> None:
    """Refuses to write over the file of options, and sources without their credentials.

    Raises:
        ConfigError: an output is the file itself, or a source of it has `***` for a password.
    """
    for flag, output in (
        ("--json-summary", config.json_summary),
        ("--save-config", config.save_config),
    ):
        if output is not None:
            OutputClaims([path]).name(flag, output)
    for source in config.source if sources_from_file else ():
        if MASK in source and not names_path(source):
            raise ConfigError(
                f"--config {path}: {redact_url(source)}: passwords are not saved; put it in place"
                f" of {MASK}, or name the source on the command line"
            )


def _anchored(name: str, value: Any, folder: Path) -> Any:
    try:
        if isinstance(value, Path):
            return folder / value.expanduser()
        if name == "web_tls" and value is not None:
            return tuple(folder / path.expanduser() for path in value)
        if name == "source":
            return tuple(
                str(folder / Path(source).expanduser()) if names_path(source) else source
                for source in value
            )
    except RuntimeError as error:
        raise ConfigError(f"{flag_name(name)} {value}: {error}") from error
    return value


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    # A TOML string is a JSON string, but for one control character.
    return json.dumps(redact_url(str(value)), ensure_ascii=False).replace("\x7f", "\\u007f")
