"""How streams are described to Home Assistant, whose discovery takes few characters."""

from __future__ import annotations

import re

import pytest

from streamfer.app.session.delivery.home_assistant import ObjectIds, entities
from streamfer.app.session.delivery.mqtt import _level

ALIKE = ["cam-1", "cam.1", "cam_1", "cam+1", "cam#1", "Tür", "Tor", "T_r", "Tör", "门", "窗"]


def test_every_topic_and_id_is_ascii_and_of_one_stream_only() -> None:
    ids = ObjectIds("house/faces")
    found = [entities("house/faces", stream, ids.of(stream), "t/") for stream in ALIKE]
    topics = [topic for of_one in found for topic in of_one]
    assert len(set(topics)) == len(topics)
    for topic in topics:
        assert re.fullmatch(r"homeassistant/[a-z_]+/[a-zA-Z0-9_-]+/config", topic)
    unique = [entity["unique_id"] for of_one in found for entity in of_one.values()]
    assert len(set(unique)) == len(unique)
    assert len({ObjectIds(prefix).of("cam") for prefix in ("häuser", "höuser")}) == 2


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ("front", "my_house_faces_front"),
        ("front-door", "my_house_faces_front_door"),
        ("talk-2", "my_house_faces_talk_2"),
        ("camera-0", "my_house_faces_camera_0"),
        ("10.0.0.5_stream1", "my_house_faces_10_0_0_5_stream1"),
    ],
)
def test_what_home_assistant_knows_an_entity_by_stays(stream: str, expected: str) -> None:
    ids = ObjectIds("my-house/faces", [stream, "Tür", "other"])
    assert [ids.of(stream), ids.of(stream)] == [expected, expected]


def test_of_names_that_are_alike_the_first_by_name_has_the_id_alone() -> None:
    for known in (["cam.1", "cam-1"], ["cam-1", "cam.1"]):
        ids = ObjectIds("x", known)
        assert ids.of("cam.1").startswith("x_cam_1_")
        assert ids.of("cam-1") == "x_cam_1"
        assert ids.of("cam_1").startswith("x_cam_1_")  # of one that joins later
    assert ObjectIds("x", ["cam-1", "cam_1"]).of("cam_1") == "x_cam_1"


def test_every_stream_has_topics_of_its_own() -> None:
    assert len({_level(stream) for stream in ALIKE}) == len(ALIKE)
    assert _level("Tür-1") == "Tür-1"
