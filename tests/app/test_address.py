from __future__ import annotations

import pytest

from streamfer.app.address import parse_address, parse_cluster
from streamfer.errors import ConfigError


@pytest.mark.parametrize("port", ["", "x", "65536", "-1", "²", "9" * 5000])
def test_what_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(ConfigError, match="--web: expected HOST:PORT or PORT"):
        parse_address(f"localhost:{port}", "--web")
    with pytest.raises(ConfigError):
        parse_cluster(f"localhost:{port}")


def test_an_address_of_version_6_has_brackets() -> None:
    assert parse_address("[::1]:8080", "--web") == ("::1", 8080)
