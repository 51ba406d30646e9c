"""Which detection becomes which track."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from streamfer.tracking.association import match_confident, match_doubtful

A = [100, 100, 140, 150]
NEXT_TO_A = [120, 100, 160, 150]
FAR = [400, 100, 440, 150]
LARGE = [60, 50, 180, 200]


@pytest.mark.parametrize(
    ("track", "absent_s", "detection", "likeness", "matched"),
    [
        (A, 0.0, A, 0.1, True),  # heads turn, lights go out
        (A, 0.0, NEXT_TO_A, 0.9, True),
        (A, 0.0, NEXT_TO_A, 0.3, False),
        (A, 0.0, FAR, 1.0, False),  # a live face does not jump
        (A, 0.0, LARGE, 1.0, False),
        (A, 0.2, A, 0.3, True),  # one missed detection
        (A, 0.2, FAR, 0.3, False),
        (A, 0.5, A, 0.9, True),
        (A, 0.5, A, 0.3, False),  # someone else in the same place
        (A, 0.5, NEXT_TO_A, 0.7, True),
        (A, 0.5, FAR, 0.7, False),
        (A, 0.5, FAR, 0.95, True),  # came back elsewhere
        (A, 0.5, LARGE, 0.95, False),
    ],
)
def test_one_track_and_one_detection(
    track: list[float], absent_s: float, detection: list[float], likeness: float, matched: bool
) -> None:
    pairs = match_confident(
        np.array([track], np.float32),
        np.array([absent_s]),
        np.array([detection], np.float32),
        np.array([[likeness]], np.float32),
    )
    assert pairs == ([(0, 0)] if matched else [])


def test_appearance_decides_between_overlapping_faces() -> None:
    boxes = np.array([A, [110, 100, 150, 150]], np.float32)
    crossed = np.array([[0.2, 0.95], [0.95, 0.2]], np.float32)
    assert match_confident(boxes, np.zeros(2), boxes, crossed) == [(0, 1), (1, 0)]


def test_place_decides_between_twins() -> None:
    boxes = np.array([A, NEXT_TO_A], np.float32)
    alike = np.full((2, 2), 0.95, np.float32)
    assert match_confident(boxes, np.zeros(2), boxes + 3, alike) == [(0, 0), (1, 1)]


def test_of_two_equal_tracks_the_live_one_gets_it() -> None:
    boxes = np.array([A, A], np.float32)
    alike = np.full((2, 1), 0.95, np.float32)
    pairs = match_confident(boxes, np.array([0.4, 0.0]), boxes[:1], alike)
    assert pairs == [(1, 0)]


@pytest.mark.parametrize(("detection", "matched"), [(A, True), (NEXT_TO_A, False), (FAR, False)])
def test_doubtful_detections_need_overlap(detection: list[float], matched: bool) -> None:
    pairs = match_doubtful(np.array([A], np.float32), np.array([detection], np.float32))
    assert pairs == ([(0, 0)] if matched else [])


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 2), (2, 0)])
def test_nothing_to_match(n: int, m: int) -> None:
    tracks, detections = np.zeros((n, 4), np.float32), np.zeros((m, 4), np.float32)
    assert match_confident(tracks, np.zeros(n), detections, np.zeros((n, m), np.float32)) == []
    assert match_doubtful(tracks, detections) == []


def test_one_face_needs_no_solver_and_is_assigned_as_with_one() -> None:
    """The solver takes longer to load than everything else that finds and follows a face."""
    code = (
        "import sys\n"
        "import numpy as np\n"
        "from streamfer.tracking.association import load_solver, match_doubtful\n"
        "one = np.array([[0, 0, 10, 10]], np.float32)\n"
        "several = np.array([[50, 50, 60, 60], [1, 0, 11, 10], [3, 0, 13, 10]], np.float32)\n"
        "assert match_doubtful(one, several) == [(0, 1)]\n"
        "assert match_doubtful(several, one) == [(1, 0)]\n"
        "assert match_doubtful(one, several[:1]) == []\n"
        "assert 'scipy' not in sys.modules\n"
        "load_solver()\n"
        "assert 'scipy.optimize' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
