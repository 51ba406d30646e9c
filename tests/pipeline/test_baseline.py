from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfer.fields import check_names
from streamfer.pipeline.baseline import BASELINE_FIELDS, Baseline
from streamfer.pipeline.events.detector import EventDetector
from streamfer.pipeline.outlet import Outlet, OutputLedger
from streamfer.types import FaceResult
from tests.support.sinks import MemorySink
from tests.support.timed_results import face, film


def said(learn_s: float | None, *scenes: tuple[float, list[FaceResult]]) -> list[tuple[Any, Any]]:
    baseline = Baseline(learn_s)
    results = [baseline.apply(result) for result in film(*scenes)]
    return [(r.faces[0].extra["departure"], r.faces[0].extra["departure_emotion"]) for r in results]


def test_a_face_that_rests_sad_departs_only_when_it_changes() -> None:
    rest, smile = face(1, "sad", top=0.6), face(1, "happy", top=0.6)
    answers = said(3.0, (5, [rest]), (1, [smile]), (1, [rest]))
    assert answers[:30] == [(None, None)] * 30
    assert answers[31:50] == [(0.0, None)] * 19
    expected = float(np.abs(smile.smoothed - rest.smoothed).sum() / 2)
    assert answers[55] == (pytest.approx(expected, abs=1e-4), "happy")
    assert answers[65] == (0.0, None)


def test_with_seconds_later_looks_teach_nothing_and_by_itself_they_do() -> None:
    rest, other = face(1, "sad"), face(1, "happy")
    fixed = said(5.0, (6, [rest]), (200, [other]))
    moving = said(None, (6, [rest]), (200, [other]))
    assert fixed[-1][0] > 0.8
    assert moving[100][0] > 0.3
    assert moving[-1][0] < 0.1


def test_uncertain_looks_teach_nothing() -> None:
    guess = face(1, "happy", trust=0.2)
    assert said(2.0, (10, [guess]))[-1] == (None, None)


def test_faces_have_baselines_of_their_own_and_are_forgotten() -> None:
    baseline = Baseline(1.0)
    both = [face(1, "sad"), face(2, "happy")]
    for result in film((3, both), (70, [both[0]])):
        last = baseline.apply(result)
        assert all(not f.extra["departure"] for f in last.faces)
    assert set(baseline._tracks) == {1}


def test_every_sink_gets_it_and_the_fields_can_be_declared() -> None:
    check_names(BASELINE_FIELDS)
    sink = MemorySink()
    outlet = Outlet(
        "talk", lambda: [sink], OutputLedger(), EventDetector(), adjust=Baseline(0.2).apply
    )
    for result in film((1, [face(1)])):
        outlet.put([result])
    outlet.close()
    assert sink.results[-1].to_dict()["faces"][0]["departure"] == 0.0
