"""`--shard I/N`: one part of the inputs, for jobs that share them out among themselves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from streamfer.errors import ConfigError
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec

_MOST = 1_000_000


def parse_shard(text: str) -> tuple[int, int]:
    """Number and count of `I/N`, counted from 1.

    Raises:
        ConfigError: it is none.
    """
    match = re.fullmatch(r"(\d{1,7})/(\d{1,7})", text, flags=re.ASCII)
    if match is not None:
        number, count = int(match[1]), int(match[2])
        if 1 <= number <= count <= _MOST:
            return number, count
    raise ConfigError(f"--shard: expected I/N with I from 1 to N, such as 1/4, got {text!r}")


def in_shard(specs: Sequence[SourceSpec], shard: str | None) -> list[SourceSpec]:
    """The sources that belong to a shard; all of them where there is none.

    Which it is depends on a source's own name alone: not on the order, on the folder that it lies
    in, or on the other sources.

    Args:
        specs: all sources, named as if one run took them all.
        shard: `I/N`.

    Raises:
        ConfigError: it is none.
    """
    if shard is None:
        return list(specs)
    number, count = parse_shard(shard)
    return [spec for spec in specs if _place(spec) % count == number - 1]


def _place(spec: SourceSpec) -> int:
    name = Path(spec.location).name if spec.kind is SourceKind.FILE else spec.label
    digest = hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
