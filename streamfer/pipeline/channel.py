"""Bounded channels between the pipeline's threads.

All channels of a pipeline share one lock, so that the collector can look at every stream's input
and output in one step. Waiting is per channel and side: a put wakes one reader, not everybody.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Generic, Literal, TypeVar

T = TypeVar("T")

Policy = Literal["block", "drop_oldest"]


class ChannelClosed(Exception):
    """Raised to a reader: closed and drained, or cancelled."""


class ChannelGroup:
    """The lock that a pipeline's channels share, and the condition that its collector waits on."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.activity = threading.Condition(self.lock)
        """Notified when a watched channel got an item, room or its end."""
        self._channels: list[Channel[Any]] = []

    def register(self, channel: Channel[Any]) -> None:
        """Makes `cancel` reach the channel."""
        with self.lock:
            self._channels.append(channel)

    def forget(self, channel: Channel[Any]) -> None:
        """The opposite of `register`, for streams that have ended."""
        with self.lock:
            self._channels.remove(channel)

    def cancel(self) -> None:
        """Cancels every channel and wakes every thread that waits on one."""
        with self.lock:
            for channel in self._channels:
                channel.cancel_locked()
            self.activity.notify_all()


class Channel(Generic[T]):
    """A bounded queue with one writer and one reader.

    Args:
        group: whose lock it shares.
        capacity: items it holds; at least 1.
        policy: what `put` does when it is full: wait for room, or displace the oldest item and
            count it, in one atomic step.
        watched: whether the group's collector wants to hear of its changes.
    """

    def __init__(
        self, group: ChannelGroup, capacity: int, policy: Policy = "block", watched: bool = False
    ) -> None:
        if capacity < 1:
            raise ValueError(f"a channel's capacity is at least 1, got {capacity}")
        self.capacity = capacity
        self._group = group
        self._policy = policy
        self._watched = watched
        self._lock = group.lock
        self._not_empty = threading.Condition(self._lock)
        self._not_full = threading.Condition(self._lock)
        self._items: deque[T] = deque()
        self._reserved = 0
        self._dropped = 0
        self._closed = False
        self._cancelled = False
        group.register(self)

    def put(self, item: T) -> bool:
        """Adds an item; waits for room under the `block` policy.

        Returns:
            False where the channel was closed or cancelled and the item not taken.
        """
        with self._lock:
            while self._policy == "block" and self._full() and not self._ended():
                self._not_full.wait()
            if self._ended():
                return False
            if self._full():
                self._items.popleft()
                self._dropped += 1
            self._append(item)
            return True

    def push(self, item: T) -> bool:
        """Adds an item beyond the capacity, for rare messages that must neither wait nor be lost.

        Returns:
            False where the channel was closed or cancelled.
        """
        with self._lock:
            if self._ended():
                return False
            self._append(item)
            return True

    def put_reserved(self, item: T) -> bool:
        """Adds an item for which `reserve_locked` has set a place aside; never waits."""
        with self._lock:
            self._reserved -= 1
            if self._cancelled:
                return False
            self._append(item)
            return True

    def unreserve(self) -> None:
        """Gives back a place that `reserve_locked` has set aside."""
        with self._lock:
            self._reserved -= 1
            self._not_full.notify()

    def get(self) -> T:
        """Takes the oldest item, waiting for one.

        Raises:
            ChannelClosed: closed and drained, or cancelled.
        """
        return self.get_waiting(1)[0]

    def get_waiting(self, most: int) -> list[T]:
        """Takes what is there, so many items at most and the oldest first, waiting for one.

        Raises:
            ChannelClosed: closed and drained, or cancelled.
        """
        with self._lock:
            while not self._items and not self._ended():
                self._not_empty.wait()
            if not self._items:
                raise ChannelClosed
            return [self.take_locked()[0] for _ in range(min(most, len(self._items)))]

    def close(self) -> None:
        """Takes no more items; the reader still gets those that are here."""
        with self._lock:
            self._closed = True
            self._wake_all()

    def cancel(self) -> None:
        """Discards everything and wakes everybody."""
        with self._lock:
            self.cancel_locked()

    @property
    def cancelled(self) -> bool:
        """Whether what was taken from it last is wanted no more, either."""
        return self._cancelled

    @property
    def fill(self) -> float:
        """Items held or reserved, as a fraction of the capacity (0–1)."""
        with self._lock:
            return min((len(self._items) + self._reserved) / self.capacity, 1.0)

    def take_dropped(self) -> int:
        """Items displaced since the last take, and resets the count."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
            return dropped

    # The rest is for holders of the group's lock: the collector.

    def ready_locked(self) -> bool:
        """Whether an item is waiting."""
        return bool(self._items)

    def exhausted_locked(self) -> bool:
        """Whether no item will come any more."""
        return self._ended() and not self._items

    def take_locked(self) -> tuple[T, int]:
        """Takes the oldest item and the number of items displaced since the last take."""
        item = self._items.popleft()
        dropped, self._dropped = self._dropped, 0
        self._not_full.notify()
        if self._watched:
            self._group.activity.notify()
        return item, dropped

    def reserve_locked(self) -> bool:
        """Sets a place aside; False where none is free."""
        if self._full() or self._cancelled:
            return False
        self._reserved += 1
        return True

    def cancel_locked(self) -> None:
        """`cancel` for a holder of the lock."""
        self._cancelled = True
        self._items.clear()
        self._wake_all()

    def _append(self, item: T) -> None:
        self._items.append(item)
        self._not_empty.notify()
        if self._watched:
            self._group.activity.notify()

    def _wake_all(self) -> None:
        self._not_empty.notify_all()
        self._not_full.notify_all()
        if self._watched:
            self._group.activity.notify()

    def _full(self) -> bool:
        return len(self._items) + self._reserved >= self.capacity

    def _ended(self) -> bool:
        return self._closed or self._cancelled
