from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.web import Site, site


@pytest.fixture
def local() -> Iterator[Site]:
    with site() as server:
        yield server


def test_the_streams_of_the_run(local: Site) -> None:
    cam = local.ask("/api/streams").json[0]
    assert cam["stream"] == "cam"
    assert cam["source"] == "cam.mp4"
    assert (cam["state"], cam["live"]) == ("running", True)
    assert cam["tracks"][0]["share"][3] == 0.75
    assert local.ask("/api/streams", Content_Type="text/plain").status == 200


def test_a_stream_joins_and_leaves() -> None:
    with site() as there:
        added = there.post({"source": "rtsp://cam/2", "name": "gate"})
        assert added.status == 201
        assert added.json["stream"] == "gate"
        assert added.json == there.ask("/api/streams").json[-1]
        removed = there.ask("/api/streams/gate", "DELETE")
        assert (removed.status, removed.body) == (204, b"")
        assert there.ask("/api/streams/gate", "DELETE").status == 404


@pytest.mark.parametrize(
    ("path", "method"),
    [("/", "POST"), ("/api/streams", "DELETE"), ("/api/streams/cam", "GET"), ("/metrics", "PUT")],
)
def test_methods_that_nothing_has(local: Site, path: str, method: str) -> None:
    assert local.ask(path, method).status == 405


@pytest.mark.parametrize("long", ["source", "name"])
def test_what_nobody_types_is_refused_before_it_is_read(local: Site, long: str) -> None:
    answer = local.post({"source": "rtsp://cam/2", "name": "gate"} | {long: "a" * 2049})
    assert answer.status == 400
    assert "at most 2048 characters" in answer.json["error"]
