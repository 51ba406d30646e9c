from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from streamfer.labels import LABELS, LabelSet
from streamfer.pipeline.analyzer import Analyzer
from streamfer.pipeline.cpu_budget import CpuBudget
from streamfer.pipeline.stream_memory import AnalyzerConfig
from streamfer.types import Detection, Frame, UInt8Array
from streamfer.vision.detection.search import Search
from streamfer.vision.detection.search_plan import plan_search
from streamfer.vision.face_reader import FaceBatch, HostFaceReader
from streamfer.vision.trust import LogisticModel, TrustModel
from tests.support.detectors import FakeDetector
from tests.support.engines import FakeEngine
from tests.support.results import detection, probabilities
from tests.support.sources import pending


def face_engine() -> FakeEngine:
    """Says happy (FER+) or sad (FER2013), the surer the brighter the face."""

    def answer(inputs):  # type: ignore[no-untyped-def]
        level = inputs["faces"].mean(axis=(1, 2)) / 255
        return {
            f"probs_{label_set}": np.stack([probabilities(label, 0.5 + x / 2) for x in level])
            for label_set, label in (("ferplus", "happy"), ("fer2013", "sad"))
        }

    return FakeEngine(answer)


def frame(stream: str, index: int, level: int = 128, dropped: int = 0) -> Frame:
    made = pending(index).to_frame(stream, dropped)
    object.__setattr__(made, "image", np.full((200, 240, 3), level, dtype=np.uint8))
    return made


def test_faces_get_a_number_an_answer_and_steady_probabilities() -> None:
    analyzer = Analyzer(HostFaceReader(FakeDetector(detection()), face_engine()))
    dark, bright = analyzer([frame("talk", 0, 0), frame("talk", 1, 255)])
    (first,), (second,) = dark.faces, bright.faces
    assert (first.track_id, first.emotion, first.detected) == (1, "happy", True)
    np.testing.assert_allclose(first.probs, first.smoothed)
    assert second.track_id == 1
    happy = LABELS.index("happy")
    assert first.probs[happy] < second.smoothed[happy] < second.probs[happy]


def test_every_face_of_every_frame_is_read_in_one_batch() -> None:
    engine = face_engine()
    detector = FakeDetector(detection(20, 20), detection(120, 100))
    results = Analyzer(HostFaceReader(detector, engine))([frame(name, 0) for name in "abc"])
    assert [call["faces"].shape for call in engine.calls] == [(6, 64, 64)]
    assert detector.calls == [3]
    assert [len(result.faces) for result in results] == [2, 2, 2]


def test_frames_without_faces_cost_no_network_run() -> None:
    engine = face_engine()
    (result,) = Analyzer(HostFaceReader(FakeDetector(), engine))([frame("talk", 0)])
    assert result.faces == ()
    assert engine.calls == []


@pytest.mark.parametrize(("label_set", "emotion"), [("ferplus", "happy"), ("fer2013", "sad")])
def test_the_label_set_chooses_the_head(label_set: LabelSet, emotion: str) -> None:
    config = AnalyzerConfig(label_set=label_set)
    (result,) = Analyzer(HostFaceReader(FakeDetector(detection()), face_engine()), config)(
        [frame("talk", 0)]
    )
    assert result.faces[0].emotion == emotion


def test_trust_is_left_open_without_a_model_of_it() -> None:
    (result,) = Analyzer(HostFaceReader(FakeDetector(detection()), face_engine()))(
        [frame("talk", 0)]
    )
    assert result.faces[0].trust is None
    assert not result.faces[0].uncertain


@pytest.mark.parametrize(("level", "uncertain"), [(0, True), (255, False)])
def test_trust_is_in_what_is_shown_of_the_face(level: int, uncertain: bool) -> None:
    model = TrustModel(LogisticModel({"confidence": 1.0}, -1.0), None)
    analyzer = Analyzer(HostFaceReader(FakeDetector(detection()), face_engine()), trust=model)
    for index in range(3):
        (result,) = analyzer([frame("talk", index, level)])
    (face,) = result.faces
    assert face.trust == model.trust(face.smoothed, face.detection, None)
    assert face.uncertain == uncertain


@pytest.mark.parametrize(("every", "detections"), [(1, 12), (4, 3)])
def test_the_detector_runs_as_often_as_asked(every: int, detections: int) -> None:
    detector = FakeDetector()
    analyzer = Analyzer(HostFaceReader(detector, face_engine()), AnalyzerConfig(detect_every=every))
    for index in range(12):
        analyzer([frame("talk", index)])
    assert sum(detector.calls) == detections


@pytest.mark.parametrize(("at_once", "faces"), [(False, [0, 0, 1]), (True, [0, 1, 1])])
def test_a_faint_face_is_reported_when_asked_for(at_once: bool, faces: list[int]) -> None:
    detector = FakeDetector()
    config = AnalyzerConfig(detect_every=1, faint_at_once=at_once)
    analyzer = Analyzer(HostFaceReader(detector, face_engine()), config)
    found = []
    for index in range(3):
        found.append(len(analyzer([frame("talk", index)])[0].faces))
        detector.faces = [detection(score=0.19)]
    assert found == faces


@pytest.mark.parametrize(("dropped", "detections"), [(0, 12), (5, 4)])
def test_the_detector_runs_less_often_where_frames_are_dropped(
    dropped: int, detections: int
) -> None:
    detector = FakeDetector()
    analyzer = Analyzer(HostFaceReader(detector, face_engine()))
    for index in range(12):
        analyzer([frame("cam", 6 * index, dropped=dropped)])
    assert sum(detector.calls) == detections


@pytest.mark.parametrize(("wall", "detections"), [(None, 9), ("now", 2)])
def test_only_live_streams_wait_for_the_budget(wall: str | None, detections: int) -> None:
    detector = FakeDetector()
    seconds = iter(range(10**6))
    budget = CpuBudget(1.0, lambda: 9.0, lambda _: None, lambda _: None, lambda: next(seconds))
    analyzer = Analyzer(HostFaceReader(detector, face_engine()), budget=budget)
    for index in range(52):
        analyzer([replace(frame("cam", index), wall=wall)])
    assert sum(detector.calls) == detections


def test_detections_of_streams_that_lose_frames_are_spread_over_the_batches() -> None:
    detector = FakeDetector()
    analyzer = Analyzer(HostFaceReader(detector, face_engine()))
    names = ["a", "b", "c", "d"]
    for index in range(13):
        analyzer([frame(name, 6 * index, dropped=5) for name in names])
    # At first nothing is known of any stream; then each is looked at on every third frame.
    assert detector.calls == [4] + [2] * 7


def test_files_detections_are_never_put_off() -> None:
    detector = FakeDetector()
    analyzer = Analyzer(HostFaceReader(detector, face_engine()))
    for index in range(13):
        analyzer([frame(name, 6 * index) for name in ("a", "b", "c", "d")])
    assert detector.calls == [4] * 13


def test_batches_do_not_change_results() -> None:
    frames = [frame("a", i // 2, i * 5) if i % 2 else frame("b", i // 2, i * 6) for i in range(40)]
    single = Analyzer(HostFaceReader(FakeDetector(detection()), face_engine()))
    batched = Analyzer(HostFaceReader(FakeDetector(detection()), face_engine()))
    one_by_one = [single([f])[0] for f in frames]
    together = [r for start in range(0, 40, 8) for r in batched(frames[start : start + 8])]
    for left, right in zip(one_by_one, together, strict=True):
        assert left.frame is right.frame
        for a, b in zip(left.faces, right.faces, strict=True):
            assert (a.track_id, a.detected, a.emotion) == (b.track_id, b.detected, b.emotion)
            np.testing.assert_allclose(a.smoothed, b.smoothed, atol=1e-6)


def test_a_face_that_cannot_be_carried_is_looked_for_in_the_same_frame() -> None:
    detector = FakeDetector(detection())
    analyzer = Analyzer(HostFaceReader(detector, face_engine()))
    rng = np.random.default_rng(0)
    scenes = [rng.integers(0, 255, (200, 240, 3), dtype=np.uint8) for _ in range(2)]

    def at(index: int, scene: int) -> Frame:
        made = frame("talk", index)
        object.__setattr__(made, "image", scenes[scene])
        return made

    for index in range(20):
        analyzer([at(index, 0)])
    calm = sum(detector.calls)
    detector.faces = []
    (cut,) = analyzer([at(20, 1)])
    assert cut.faces == ()
    assert sum(detector.calls) == calm + 1


def test_streams_are_remembered_apart_and_forgotten() -> None:
    analyzer = Analyzer(HostFaceReader(FakeDetector(detection()), face_engine()))
    for index in range(3):
        analyzer([frame("a", index), frame("b", index)])
    analyzer.forget("a")
    analyzer.forget("never seen")
    a, b = analyzer([frame("a", 3, 255), frame("b", 3, 255)])
    np.testing.assert_allclose(a.faces[0].probs, a.faces[0].smoothed)  # starts afresh
    assert not np.allclose(b.faces[0].probs, b.faces[0].smoothed)


class NotingReader:
    """Finds nothing, and notes the looks that each detection would take."""

    def __init__(self) -> None:
        self.looks: list[int] = []

    def take(self, images: Sequence[UInt8Array]) -> NotingReader:
        return self

    def detect(
        self, members: Sequence[int], searches: Sequence[Search] | None = None
    ) -> list[list[Detection]]:
        plan = plan_search(1920, 1080, 640, 2.0, 16)
        self.looks += [len(search.first(plan)) for search in searches or ()]
        return [[] for _ in members]

    def align(self, members: Sequence[int], faces: Sequence[Detection]) -> FaceBatch:
        raise AssertionError("there are no faces")


def hd_frame(index: int, wall: str | None = None, segment: int = 0) -> Frame:
    image = np.full((1080, 1920, 3), 40 * (index % 5), dtype=np.uint8)
    made = pending(index).to_frame("talk", 0)
    return replace(made, image=image, wall=wall, segment=segment)


def looks(*frames: Frame, everywhere: bool = False) -> list[int]:
    reader = NotingReader()
    config = AnalyzerConfig(detect_every=1, search_everywhere=everywhere)
    Analyzer(reader, config)(frames)
    return reader.looks


def test_the_first_picture_of_a_file_is_searched_everywhere_at_once() -> None:
    first, *others = looks(*(hd_frame(index) for index in range(5)))
    assert first == 7 + 3  # from all sides
    assert max(others) < 3


def test_so_is_the_first_one_of_another_size() -> None:
    assert looks(hd_frame(0), hd_frame(1), hd_frame(2, segment=1))[2] == 7 + 3


def test_a_camera_does_not_wait_for_it() -> None:
    assert max(looks(*(hd_frame(index, wall="now") for index in range(5)))) < 3
    live = (hd_frame(index, wall="now") for index in range(5))
    assert max(looks(*live, everywhere=True)) < 3


def test_every_picture_of_a_file_can_be_searched_everywhere() -> None:
    assert looks(*(hd_frame(index) for index in range(3)), everywhere=True) == [7 + 3, 7, 7]
