"""What the faces of pictures are called."""

from __future__ import annotations

from streamfer.app.session.faces import name_of_face


def test_no_face_takes_the_name_of_another_picture() -> None:
    taken = {"a", "a-2", "b"}
    assert [name_of_face("a", number, taken) for number in (1, 2, 3)] == ["a", "a-2.2", "a-3"]
    assert [name_of_face("b", number, taken) for number in (1, 2)] == ["b", "b-2"]
    assert name_of_face("a-2", 1, taken) == "a-2"
