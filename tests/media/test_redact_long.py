"""Long texts from others: whatever takes more than a few steps a character never ends here."""

from __future__ import annotations

import pytest

from streamfer.errors import StreamferError
from streamfer.media.redact import redact_text, redact_url
from streamfer.media.sources.source_list import expand_sources

_LENGTH = 100_000
_PARTS = (
    *("a", "a-", "aa:/", "\\", ":/", "=%3a//", "=%3a%2f%2f%40", "x=1&", "x=", "x%3d", "=***"),
    *(":@", ":.", "]:", "token", "token ", "pwd= ", "authorization:\n", "/live/", "/key", "%41"),
)


@pytest.mark.parametrize("part", _PARTS)
def test_a_long_text_takes_a_few_steps_a_character(part: str) -> None:
    text = part * (_LENGTH // len(part))
    assert redact_text(text)
    assert redact_url(f"http://{text}")
    assert redact_url(f"http://h/?a={text} @")


@pytest.mark.parametrize("part", ["a", "a-", "***", "=%3a//", "x="])
def test_so_does_a_long_source(part: str) -> None:
    with pytest.raises(StreamferError) as raised:
        expand_sources([part * (_LENGTH // len(part))])
    assert str(raised.value)
    (spec,) = expand_sources([f"http://h/{part * (_LENGTH // len(part))}"])
    assert len(spec.name) < 100
