"""From what the user typed to a list of uniquely named sources."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from streamfer.errors import ConfigError, SourceError
from streamfer.media.redact import MASK, redact_text, redact_url
from streamfer.media.sources.kinds import KINDS, PREFIXES, SCHEMES, SourceKind
from streamfer.media.sources.named_file import missing_file_message, readable_path
from streamfer.media.sources.pipe import STANDARD_INPUT

_PLAYABLE = re.compile(
    r"\.(?:3g2|3gp|asf|avi|dv|f4v|flv|gif|h26[45]|hevc|ivf|m2ts|m2v|m4v|mj2|mjpe?g|mkv|mov|mp4|mpe?g"
    r"|mts|mxf|nut|og[mv]|rm|rmvb|ts|vob|webm|wmv|y4m"
    r"|apng|avif|bmp|hei[cf]|jfif|jp2|jpe?g|mpo|png|ppm|tiff?|webp)",
    re.IGNORECASE,
)
"""Suffixes that a directory is searched for; a file named on its own may have any."""

_LONGEST_NAME = 60
"""Characters of a stream name, so that outputs named after it stay below every file system's
limit of 255 bytes."""


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One source that the user asked for."""

    kind: SourceKind
    name: str
    """Unique name of the stream, fit for a file name."""
    location: str = field(repr=False)
    """Path, URL with its credentials, camera number or name, display or filter graph: never to be
    shown."""

    @property
    def label(self) -> str:
        """The location for people, without credentials."""
        if self.kind is SourceKind.FILE:
            return readable_path(self.path)
        shown = redact_url(self.location)  # a filter graph may hold URLs too
        return shown if self.kind is SourceKind.NETWORK else f"{self.kind.value}:{shown}"

    @property
    def path(self) -> Path:
        """The location of a file."""
        return Path(self.location)

    def __str__(self) -> str:
        return self.label


_CAMERA = re.compile(r"/dev/video\d+|\d+")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//)?")
"""Two letters at least: `C:` is a drive."""
_ACCOUNT = re.compile(r"[^\s/\\:@]{2,}:[^\s/\\]\S*@")
"""`user:password@`, which an address begins with whose scheme was forgotten."""
_MASKED = re.compile(rf"(?:(?<![^=/&;_*])[^=/&;_*]*+=)?{re.escape(MASK)}[&;_]?")
"""What a redacted path does not say, and the name that leads to it."""


def expand_sources(arguments: Sequence[str]) -> list[SourceSpec]:
    """Reads the SOURCE arguments of the command line.

    Understood are paths, directories (every video and image in them, in natural order, hidden ones
    left out), `-` for standard input, `0`, `camera:0`, `/dev/video0`, rtsp, rtsps, http, https, srt
    and udp URLs, `screen:`, `lavfi:GRAPH` and `demo:`. A path that exists wins over every other
    meaning but `0` and `-`.

    Missing files among others are kept, so that the run can say so at their turn and do the rest.

    Raises:
        ConfigError: an argument is empty or of no known kind.
        SourceError: a directory has nothing to play, or nothing of what was asked for exists.
    """
    found = [item for argument in arguments for item in _expand(argument)]
    missing = [
        Path(loc) for kind, loc in found if kind is SourceKind.FILE and not os.path.exists(loc)
    ]
    if found and len(missing) == len(found):
        raise SourceError(missing_file_message(missing[0]))
    names = _unique(_stream_name(kind, location) for kind, location in found)
    return [SourceSpec(k, name, loc) for (k, loc), name in zip(found, names, strict=True)]


def with_unique_names(specs: Sequence[SourceSpec]) -> list[SourceSpec]:
    """The same sources, each with a name that no other has: `talk`, `talk-2`."""
    names = _unique(_safe(spec.name) for spec in specs)
    return [replace(spec, name=name) for spec, name in zip(specs, names, strict=True)]


def named_apart(spec: SourceSpec, taken: Collection[str]) -> SourceSpec:
    """The same source, with a name that none of the others has."""
    *_, name = _unique([*taken, _safe(spec.name)])
    return replace(spec, name=name)


def names_path(argument: str) -> bool:
    """Whether a SOURCE argument can only be a path: no camera, no URL, no `-` for the input."""
    if not argument.strip() or argument == "-" or _CAMERA.fullmatch(argument):
        return False
    match = _SCHEME.match(argument)
    return match is None or (match[1].lower() not in SCHEMES.keys() | PREFIXES.keys())


def _expand(argument: str) -> Iterator[tuple[SourceKind, str]]:
    if not argument.strip():
        raise ConfigError("a source is empty; give a file, a directory, a camera or a URL")
    if argument == "-":
        argument = STANDARD_INPUT
    if _CAMERA.fullmatch(argument):
        yield SourceKind.CAMERA, argument
    elif os.path.isdir(argument):
        for path in _playable(Path(argument)):
            yield SourceKind.FILE, str(path)
    elif os.path.exists(argument):
        yield SourceKind.FILE, argument
    else:
        yield _parse(argument)


def _parse(argument: str) -> tuple[SourceKind, str]:
    match = _SCHEME.match(argument.lstrip())
    if match is None:
        if _names_account(argument):
            raise ConfigError(_unknown_kind(argument, ""))
        return SourceKind.FILE, argument
    scheme, slashes = match[1].lower(), match[2]
    if scheme in SCHEMES:
        argument = argument.strip()
        if not slashes:
            raise ConfigError(f"{redact_url(argument)}: write {scheme}:// with two slashes")
        _check_url(argument, scheme)
        return SourceKind.NETWORK, argument
    location = argument[match.end(1) + 1 :]
    kind = None if slashes else PREFIXES.get(scheme)
    if kind is not None:
        example = KINDS[kind].example
        if example and not location:
            raise ConfigError(f"{scheme}: says nothing more; write for example {example}")
        return kind, location
    if _is_playable(argument) and not slashes and not _names_account(argument):
        return SourceKind.FILE, argument
    raise ConfigError(_unknown_kind(argument, scheme))


def _is_playable(argument: str) -> bool:
    return _PLAYABLE.fullmatch(Path(argument).suffix) is not None


def _names_account(argument: str) -> bool:
    """Whether an address begins with an account; a file's name may have a colon and an @, too."""
    account = _ACCOUNT.match(argument.lstrip())
    host = argument.rpartition("@")[2]
    return account is not None and ("/" in host or ":" in host or not _is_playable(argument))


def _check_url(url: str, scheme: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        _network_name(url)  # as it is shown it may be none
    except ValueError as error:
        raise ConfigError(
            f"{redact_url(url)} is no valid URL; percent-encode what is special in a user name or"
            " password: %40 for an at sign, %3A for a colon, %2F for a slash, %23 for #, %3F for ?"
        ) from error
    if not host and not SCHEMES[scheme].listens:
        raise ConfigError(f"{redact_url(url)} names no host")


def _unknown_kind(argument: str, scheme: str) -> str:
    known = [f"{s}://" for s in sorted(SCHEMES)] + [f"{p}:" for p in PREFIXES]
    near = difflib.get_close_matches(scheme, [k.rstrip(":/") for k in known], n=1, cutoff=0.5)
    hint = next((k for k in known if near and k.rstrip(":/") == near[0]), None)
    meant = f"; did you mean {hint}" if hint else ""
    shown = redact_url(argument)
    if "://" not in argument and "@" in argument:  # `user:password@host`
        shown = f"{MASK}@{argument.rpartition('@')[2]}"
    return f"unknown kind of source {shown}{meant} (known: a path, {', '.join(known)})"


def _playable(folder: Path) -> list[Path]:
    try:
        paths = [
            path
            for path in folder.iterdir()
            if _PLAYABLE.fullmatch(path.suffix) and path.name[0] != "." and path.is_file()
        ]
    except OSError as error:
        raise SourceError(
            f"cannot read directory {readable_path(folder)}: {error.strerror}"
        ) from error
    if not paths:
        raise SourceError(f"no video or image in directory {readable_path(folder)}")
    return sorted(paths, key=lambda path: (_natural(path.name), path.name))


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key that puts `clip2` before `clip10`."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p]


def _stream_name(kind: SourceKind, location: str) -> str:
    if kind is SourceKind.FILE:
        return _safe(Path(readable_path(location)).stem)
    if kind is SourceKind.NETWORK:
        return _network_name(location)
    if kind is SourceKind.CAMERA:
        return _safe(f"camera-{re.sub('^/dev/video', '', redact_text(location))}")
    return kind.value


def _network_name(url: str) -> str:
    """Host and path of a URL, without what is secret in them.

    Raises:
        ValueError: there is no host to be made out.
    """
    # Once more as it reads decoded: `password%3Dx` says nothing before that.
    shown = redact_url(re.sub(r"\s", "-", unquote(redact_url(url))))
    scheme, _, rest = shown.partition("://")
    parts = urlsplit(f"//{rest.removeprefix(f'{MASK}@')}")
    path = _MASKED.sub("", parts.path)
    return _safe(f"{parts.hostname or scheme}{path}")


def _safe(name: str) -> str:
    """A name without separators, control or reserved characters and leading or trailing dots."""
    name = unicodedata.normalize("NFC", name.encode("utf-8", "backslashreplace").decode())
    name = re.sub(r"[\x00-\x1f\x7f<>:\"/\\|?*{}%\s]+", "-", name)
    return name.strip(".-")[:_LONGEST_NAME].rstrip(".-") or "stream"


def _unique(names: Iterable[str]) -> Iterator[str]:
    taken: set[str] = set()
    for name in names:
        candidate, number = name, 1
        while candidate.casefold() in taken:  # file systems may ignore case
            number += 1
            candidate = f"{name}-{number}"
        taken.add(candidate.casefold())
        yield candidate
