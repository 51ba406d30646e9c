from __future__ import annotations

from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.web import Site, site


@pytest.fixture
def local() -> Iterator[Site]:
    with site() as server:
        yield server


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, 403),
    ],
)
def test_other_sites_are_refused_whatever_they_ask(
    local: Site, headers: dict[str, str], status: int
) -> None:
    for path in ("/", "/api/streams", "/snapshot/cam.jpg", "/mjpeg/cam", "/events", "/metrics"):
        answer = local.ask(path, **headers)
        assert answer.status == status
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert local.ask("/api/streams/cam", "DELETE", **headers).status == status
    assert "cam" in local.run.streams
    with pytest.raises(InvalidStatus) as refused, local.live(**headers):
        pass
    assert refused.value.response.status_code == status
