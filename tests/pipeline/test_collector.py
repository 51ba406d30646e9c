from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from streamfer.pipeline.channel import ChannelGroup
from streamfer.pipeline.collector import Admission, Collector, CollectorConfig
from streamfer.pipeline.lane import Lane, StreamPlan
from tests.support.sources import FakeSource, pending, stream_info


class Stage:
    """A collector over hand-fed lanes, with a clock that stands still."""

    def __init__(self, **config: float) -> None:
        self.group = ChannelGroup()
        self.now_s = 0.0
        self.collector = Collector(
            self.group,
            CollectorConfig(**config),  # type: ignore[arg-type]
            clock=self.clock,
        )

    def clock(self) -> float:
        self.now_s += 0.001  # every look at the clock takes a millisecond
        return self.now_s

    def lane(
        self, name: str, *, live: bool = False, queue_size: int = 8, max_frames: int | None = None
    ) -> Lane:
        plan = StreamPlan(
            FakeSource(name, live=live), lambda _: [], stream_info(name, live), True, not live
        )
        lane = Lane(self.group, plan, queue_size, max_frames)
        self.collector.add(lane)
        return lane

    def next_batch(self) -> tuple[list[Admission], list[Lane]]:
        batch = self.collector.next_batch()
        assert batch is not None
        return batch


def taken(batch: Sequence[Admission]) -> dict[str, list[int]]:
    result: dict[str, list[int]] = {}
    for admission in batch:
        result.setdefault(admission.lane.name, []).append(admission.item.index)
    return result


def feed(lane: Lane, indices: Sequence[int]) -> None:
    for index in indices:
        lane.inbox.put(pending(index))


def test_a_file_gives_a_few_consecutive_frames() -> None:
    stage = Stage(frames_per_file=3)
    lane = stage.lane("talk")
    feed(lane, range(5))
    assert taken(stage.next_batch()[0]) == {"talk": [0, 1, 2]}
    assert taken(stage.next_batch()[0]) == {"talk": [3, 4]}


def test_a_live_stream_gives_its_newest_frame_and_the_drops() -> None:
    stage = Stage()
    lane = stage.lane("camera", live=True)
    feed(lane, range(5))
    batch, _ = stage.next_batch()
    assert taken(batch) == {"camera": [4]}
    assert batch[0].dropped == 4


def test_a_batch_holds_frames_of_all_streams() -> None:
    stage = Stage()
    lanes = [stage.lane(name, live=True) for name in "abc"]
    for lane in lanes:
        feed(lane, [0])
    assert taken(stage.next_batch()[0]) == {"a": [0], "b": [0], "c": [0]}


def test_a_batch_does_not_wait_for_ever_for_silent_streams() -> None:
    stage = Stage(max_wait_s=0.005)
    feed(stage.lane("a", live=True), [0])
    stage.lane("silent", live=True)
    assert taken(stage.next_batch()[0]) == {"a": [0]}


def test_the_starting_place_rotates_so_that_nobody_starves() -> None:
    stage = Stage(max_batch=2)
    lanes = [stage.lane(f"s{n}", live=True, queue_size=99) for n in range(5)]
    counts = dict.fromkeys((lane.name for lane in lanes), 0)
    for index in range(50):
        for lane in lanes:
            feed(lane, [index])
        for name in taken(stage.next_batch()[0]):
            counts[name] += 1
    assert min(counts.values()) >= 0.8 * max(counts.values())


def test_no_frame_is_taken_without_room_for_its_result() -> None:
    stage = Stage()
    slow, quick = stage.lane("slow", queue_size=1), stage.lane("quick")
    feed(slow, [0])
    feed(quick, [0])
    assert taken(stage.next_batch()[0]) == {"slow": [0], "quick": [0]}
    feed(slow, [1])
    feed(quick, [1])
    assert taken(stage.next_batch()[0]) == {"quick": [1]}
    assert slow.inbox.fill == 1.0


def test_ended_lanes_are_named_after_their_last_frame() -> None:
    stage = Stage()
    lane = stage.lane("talk")
    feed(lane, [0])
    lane.inbox.close()
    batch, ended = stage.next_batch()
    assert taken(batch) == {"talk": [0]}
    assert ended == [lane]


def test_a_stream_ends_at_its_frame_limit() -> None:
    stage = Stage()
    lane = stage.lane("talk", max_frames=2)
    feed(lane, range(4))
    batch, ended = stage.next_batch()
    assert taken(batch) == {"talk": [0, 1]}
    assert ended == [lane]


def test_it_ends_when_closed_and_every_lane_has_ended() -> None:
    stage = Stage()
    lane = stage.lane("talk")
    stage.collector.close()
    lane.inbox.close()
    assert stage.next_batch() == ([], [lane])
    assert stage.collector.next_batch() is None


@pytest.mark.parametrize("wake", ["frame", "lane", "close"])
def test_a_waiting_collector_wakes(wake: str) -> None:
    stage = Stage()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stage.collector.next_batch)
        if wake == "close":
            stage.collector.close()
            assert waiting.result() is None
            return
        lane = stage.lane("late")
        feed(lane, [0]) if wake == "frame" else lane.inbox.close()
        result = waiting.result()
    assert result is not None
    assert (taken(result[0]), result[1]) in [({"late": [0]}, []), ({}, [lane])]
