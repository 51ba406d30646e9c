"""The run's configuration as a file: what `--save-config` writes, `--config` reads."""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from streamfer.app.config import RunConfig
from streamfer.app.config_fields import flag_name
from streamfer.errors import ConfigError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.redact import MASK, redact_url
from streamfer.media.sources.source_list import names_path
from streamfer.media.video.network import network_address

_NOT_SAVED = frozenset({"save_config"})
"""Read back, it would make every run write over the file that it was told by."""


def load_config(path: Path) -> dict[str, Any]:
    """Reads a TOML file of options, or a JSON file (`.json`), into `RunConfig` fields.

    Raises:
        ConfigError: it cannot be read, is no TOML, or holds an unknown key, one key in two
            spellings, or a value of the wrong type; the message names the nearest known key.
    """
    is_json = path.suffix.lower() == ".json"
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows begin with a mark
        table = _json_table(text) if is_json else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"--config {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        kind = "JSON" if is_json else "TOML"
        raise ConfigError(f"--config {path}: not {kind}: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"--config {path}: nested too deeply") from error
    fields = {f.name: f for f in dataclasses.fields(RunConfig)}
    hints = typing.get_type_hints(RunConfig)
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in fields:
            raise ConfigError(f"--config {path}: unknown key {key!r}{_nearest(key, fields)}")
        if name in values:
            raise ConfigError(f"--config {path}: {flag_name(name)!r} is given in two spellings")
        if name == "event":
            value = _event_texts(f"--config {path}", value)
        values[name] = _convert(f"--config {path}: {key}", value, hints[name])
    return values


def _event_texts(where: str, value: Any) -> Any:
    """`[[event]]` tables of `when` and `name` as the command line has them: `name: when`."""
    if not isinstance(value, list):
        return value
    texts = []
    for number, entry in enumerate(value, 1):
        if isinstance(entry, dict):
            for key in entry:
                if key not in ("when", "name") or not isinstance(entry[key], str):
                    raise ConfigError(
                        f"{where}: [[event]] {number}: expected the texts when and name, got {key}"
                        f" = {entry[key]!r}"
                    )
            if "when" not in entry:
                raise ConfigError(f"{where}: [[event]] {number}: has no when")
            entry = f"{entry['name']}: {entry['when']}" if "name" in entry else entry["when"]
        texts.append(entry)
    return texts


def _json_table(text: str) -> dict[str, Any]:
    """The options of a JSON file; null means that one is not given."""
    table = json.loads(text)
    if not isinstance(table, dict):
        raise json.JSONDecodeError("it holds no options", text, 0)
    return {key: value for key, value in table.items() if value is not None}


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


def check_file(path: Path, config: RunConfig, *, from_file: Collection[str]) -> None:
    """Refuses to write over the file of options, and addresses without their credentials.

    Args:
        path: of the file.
        config: of the run.
        from_file: names of the options that the file has given.

    Raises:
        ConfigError: an output is the file itself, or an address in it has `***` for a password.
    """
    for flag, output in (
        ("--json-summary", config.json_summary),
        ("--save-config", config.save_config),
    ):
        if output is not None:
            OutputClaims([path]).name(flag, output)
    addresses = [source for source in config.source if not names_path(source)]
    for name, values in (
        ("source", addresses),
        ("output", [config.output]),
        ("webhook", [config.webhook]),
        ("mqtt", [config.mqtt]),
    ):
        for value in values if name in from_file else ():
            if value is not None and MASK in str(value):
                raise ConfigError(
                    f"--config {path}: {name} = {redact_url(str(value))}: passwords are not saved;"
                    f" put it in place of {MASK}, or name it on the command line"
                )


def _anchored(name: str, value: Any, folder: Path) -> Any:
    try:
        if isinstance(value, Path):
            is_address = name == "output" and network_address(str(value)) is not None
            return value if is_address else folder / value.expanduser()
        if name == "face_model" and Path(value).suffix:
            return str(folder / Path(value).expanduser())
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


def _nearest(key: str, fields: Mapping[str, Any]) -> str:
    names = [flag_name(name) for name in fields]
    close = difflib.get_close_matches(flag_name(key), names, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _convert(where: str, value: Any, kind: Any) -> Any:
    """Checks a TOML value against a field's type."""
    texts = value if isinstance(value, list) else [value]
    if any(isinstance(text, str) and "\0" in text for text in texts):
        raise ConfigError(f"{where}: {value!r} holds a character 0, which no name has")
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
        origin = typing.get_origin(kind)
    if origin is Literal:
        choices = typing.get_args(kind)
        if value not in choices:
            raise ConfigError(f"{where}: expected one of {', '.join(choices)}, got {value!r}")
        return value
    if origin is tuple:
        strings = _strings(where, value)
        return strings if typing.get_args(kind)[0] is str else tuple(map(Path, strings))
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # detect-every = 5
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    expected = (
        "a path"
        if kind is Path
        else {"str": "text", "bool": "true or false"}.get(kind.__name__, "a number")
    )
    raise ConfigError(f"{where}: expected {expected}, got {value!r}")


def _strings(where: str, value: Any) -> tuple[str, ...]:
    values: Sequence[Any] = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise ConfigError(f"{where}: expected text or a list of texts, got {value!r}")
    return tuple(values)
