from __future__ import annotations

from pathlib import Path

import pytest

from streamfer.app.web.listening import WebConfig, listen
from streamfer.errors import ConfigError
from tests.support.certificate import make_certificate


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7"])
def test_a_place_that_is_not_here(host: str) -> None:
    with pytest.raises(ConfigError, match=f"--web {host}:0: cannot listen there"):
        listen(WebConfig(host))


def test_certificates_that_are_none(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(ConfigError, match=r"--web-tls .*nothing\.pem: No such file"):
        listen(WebConfig(certificate=certificate, key=tmp_path / "nothing.pem"))
    for pair in ((certificate, empty), (empty, key), (key, certificate)):
        with pytest.raises(ConfigError, match="not a certificate and its key"):
            listen(WebConfig("127.0.0.1", 0, *pair))
