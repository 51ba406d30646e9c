from __future__ import annotations

import streamfer


def test_the_demo_shows_one_face_from_beginning_to_end() -> None:
    results = list(streamfer.analyze("demo:", refine=False))
    assert len(results) == 300
    assert {len(result.faces) for result in results} == {1}
    assert {face.track_id for result in results for face in result.faces} == {1}
