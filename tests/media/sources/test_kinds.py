"""The records of the kinds of sources are whole, and what people read follows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streamfer.errors import ConfigError
from streamfer.media.sources.endpoint import LiveConfig, network_endpoint
from streamfer.media.sources.kinds import KINDS, PREFIXES, SCHEMES, USAGE, SourceKind
from streamfer.media.sources.source_list import expand_sources

README = (Path(__file__).parents[3] / "README.md").read_text("utf-8")


def test_every_kind_has_a_record() -> None:
    assert KINDS.keys() == set(SourceKind)
    assert all(record.usage for kind, record in KINDS.items() if kind is not SourceKind.OWN)


@pytest.mark.parametrize(("prefix", "kind"), PREFIXES.items())
def test_a_prefix_leads_to_its_kind(prefix: str, kind: SourceKind) -> None:
    example = KINDS[kind].example
    (spec,) = expand_sources([example or f"{prefix}:"])
    assert spec.kind is kind
    if example:
        with pytest.raises(ConfigError, match=f"write for example {example}"):
            expand_sources([f"{prefix}:"])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_scheme_is_a_stream_that_leads_only_where_it_may(scheme: str) -> None:
    (spec,) = expand_sources([f"{scheme}://host:9/a"])
    assert spec.kind is SourceKind.NETWORK
    (options, *_) = network_endpoint(spec.location, LiveConfig()).variants
    assert options["protocol_whitelist"] == SCHEMES[scheme].protocols
    if not SCHEMES[scheme].listens:
        with pytest.raises(ConfigError, match="names no host"):
            expand_sources([f"{scheme}://"])


def test_the_readme_and_the_help_have_them_all() -> None:
    table = README.split("\n## Sources\n")[1].split("\n\n")[0]
    for text in (table, USAGE):
        assert all(f"{prefix}:" in text for prefix in PREFIXES)
        shown = re.sub(r"(\w+)\(s\)://", r"\1:// \1s://", text)
        assert all(f"{scheme}://" in shown for scheme in SCHEMES)
