"""How streams are described to Home Assistant, whose discovery takes few characters."""

from __future__ import annotations

import re

from streamfer.app.session.delivery.home_assistant import entities, object_id
from streamfer.app.session.delivery.mqtt import _level

ALIKE = ["cam-1", "cam.1", "cam_1", "cam+1", "cam#1", "Tür", "Tor", "T_r", "Tör", "门", "窗"]


def test_every_topic_and_id_is_ascii_and_of_one_stream_only() -> None:
    topics = [topic for stream in ALIKE for topic in entities("house/faces", stream, "t/")]
    assert len(set(topics)) == len(topics)
    for topic in topics:
        assert re.fullmatch(r"homeassistant/[a-z_]+/[a-zA-Z0-9_-]+/config", topic)
    ids = [e["unique_id"] for s in ALIKE for e in entities("house/faces", s, "t/").values()]
    assert len(set(ids)) == len(ids)
    assert len({object_id(prefix, "cam") for prefix in ("häuser", "höuser")}) == 2


def test_plain_names_stand_in_the_id_as_they_are() -> None:
    assert object_id("house/faces", "cam_1") == "house_faces_cam_1"
    assert object_id("my-house", "cam-1") == "my_house_cam-1"


def test_every_stream_has_topics_of_its_own() -> None:
    assert len({_level(stream) for stream in ALIKE}) == len(ALIKE)
    assert _level("Tür-1") == "Tür-1"
