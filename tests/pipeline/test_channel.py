from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from streamfer.pipeline.channel import Channel, ChannelClosed, ChannelGroup


def drain(channel: Channel[int]) -> list[int]:
    items = []
    try:
        while True:
            items.append(channel.get())
    except ChannelClosed:
        return items


def test_capacity_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Channel[int](ChannelGroup(), 0)


def test_order_is_kept_and_a_closed_channel_drains() -> None:
    channel = Channel[int](ChannelGroup(), 3)
    assert [channel.put(i) for i in range(3)] == [True] * 3
    channel.close()
    assert not channel.put(9)
    assert drain(channel) == [0, 1, 2]


def test_drop_oldest_keeps_the_newest_and_counts() -> None:
    group = ChannelGroup()
    channel = Channel[int](group, 1, "drop_oldest")
    for i in range(5):
        channel.put(i)
    with group.lock:
        assert channel.take_locked() == (4, 4)
    channel.put(5)
    with group.lock:
        assert channel.take_locked() == (5, 0)


def test_frames_dropped_after_the_last_take_are_counted_once() -> None:
    channel = Channel[int](ChannelGroup(), 1, "drop_oldest")
    for i in range(3):
        channel.put(i)
    assert channel.take_dropped() == 2
    assert channel.take_dropped() == 0


def test_put_waits_for_room_and_loses_nothing() -> None:
    channel = Channel[int](ChannelGroup(), 2)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [channel.put(i) for i in range(500)])
        received = [channel.get() for _ in range(500)]
        assert writing.result() == [True] * 500
    assert received == list(range(500))


@pytest.mark.parametrize("how", ["close", "cancel"])
def test_ending_wakes_a_waiting_writer_and_a_waiting_reader(how: str) -> None:
    group = ChannelGroup()
    full, empty = Channel[int](group, 1), Channel[int](group, 1)
    full.put(0)
    with ThreadPoolExecutor(2) as pool:
        writer = pool.submit(full.put, 1)
        reader = pool.submit(empty.get)
        if how == "close":
            full.close()
            empty.close()
        else:
            group.cancel()
        assert writer.result() is False
        assert isinstance(reader.exception(), ChannelClosed)


def test_cancel_discards_what_waits() -> None:
    group = ChannelGroup()
    channel = Channel[int](group, 4)
    channel.put(1)
    group.cancel()
    assert drain(channel) == []
    assert not channel.push(2)
    assert not channel.put(3)


def test_a_forgotten_channel_is_not_cancelled() -> None:
    group = ChannelGroup()
    channel = Channel[int](group, 1)
    group.forget(channel)
    group.cancel()
    assert channel.put(1)


def test_reserved_places_count_as_taken() -> None:
    group = ChannelGroup()
    channel = Channel[int](group, 2)
    with group.lock:
        assert channel.reserve_locked()
        assert channel.reserve_locked()
        assert not channel.reserve_locked()
    assert channel.fill == 1.0
    assert channel.put_reserved(1)
    channel.unreserve()
    assert channel.fill == 0.5
    assert channel.put(2)


def test_push_goes_beyond_the_capacity() -> None:
    channel = Channel[int](ChannelGroup(), 1)
    channel.put(1)
    assert channel.push(2)
    channel.close()
    assert drain(channel) == [1, 2]


def test_a_reserved_item_arrives_after_close_but_not_after_cancel() -> None:
    group = ChannelGroup()
    channel = Channel[int](group, 2)
    with group.lock:
        channel.reserve_locked()
        channel.reserve_locked()
    channel.close()
    assert channel.put_reserved(1)
    channel.cancel()
    assert not channel.put_reserved(2)


def test_many_writers_and_readers_of_one_group() -> None:
    group = ChannelGroup()
    channels = [Channel[int](group, 1) for _ in range(16)]
    totals = [0] * 16

    def read(number: int) -> None:
        totals[number] = sum(drain(channels[number]))

    readers = [threading.Thread(target=read, args=(n,)) for n in range(16)]
    for reader in readers:
        reader.start()
    for value in range(50):
        for channel in channels:
            channel.put(value)
    for channel in channels:
        channel.close()
    for reader in readers:
        reader.join()
    assert totals == [sum(range(50))] * 16


def test_a_reader_takes_all_that_waits_at_once() -> None:
    channel = Channel[int](ChannelGroup(), 4)
    for number in range(3):
        channel.put(number)
    assert channel.get_waiting(2) == [0, 1]
    assert channel.get_waiting(2) == [2]
    channel.close()
    with pytest.raises(ChannelClosed):
        channel.get_waiting(2)
