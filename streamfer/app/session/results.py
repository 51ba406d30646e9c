"""A job's results as an iterator: the job runs in a thread, the caller takes what comes."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator

from streamfer.app.session.job import Job
from streamfer.pipeline.channel import Channel, ChannelClosed, ChannelGroup
from streamfer.types import FrameResult

_WAITING = 4
"""Results that wait for a slow caller; files wait behind them, live sources drop."""


class ResultQueue:
    """A sink that hands results to another thread, and waits while that one is slow."""

    name = "caller"

    def __init__(self) -> None:
        self._channel = Channel[FrameResult](ChannelGroup(), _WAITING)

    def write(self, result: FrameResult) -> None:
        """Waits until there is room."""
        self._channel.put(result)

    def close(self) -> None:
        """No more will come."""
        self._channel.close()

    def take(self) -> FrameResult | None:
        """The next result; None at the end."""
        try:
            return self._channel.get()
        except ChannelClosed:
            return None

    def cancel(self) -> None:
        """Discards what waits, and wakes everybody."""
        self._channel.cancel()


class Results(Iterator[FrameResult]):
    """A run's results, one by one; the run begins with the first `next`.

    Closing it, dropping it, or the end of the interpreter stops the run and waits for its end.

    Args:
        start: opens the sources.
        queue: a sink of the run.
    """

    def __init__(self, start: Callable[[], Job], queue: ResultQueue) -> None:
        self._job = _BackgroundJob(start, queue)
        self._finish = weakref.finalize(self, self._job.drop)

    def __next__(self) -> FrameResult:
        try:
            result = self._job.take()
        except BaseException:
            self.close()
            raise
        if result is None:
            self.close()
            self._job.raise_failure()
            raise StopIteration
        return result

    def when_ended(self, then: Callable[[], None]) -> None:
        """Has something done once the run has ended."""
        self._job.when_ended.append(then)

    def close(self) -> None:
        """Stops the run and waits for its end; from any thread, any number of times."""
        self._finish.detach()
        self._job.end()


class _BackgroundJob:
    """Runs a job in a thread, which begins with the first `take`."""

    def __init__(self, start: Callable[[], Job], queue: ResultQueue) -> None:
        self.when_ended: list[Callable[[], None]] = []
        self._start = start
        self._queue = queue
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        # A daemon, as are the threads that it starts: the interpreter waits for other threads
        # before it runs the finalizer that ends these.
        self._thread: threading.Thread | None = None
        self._caller: threading.Thread | None = None

    def take(self) -> FrameResult | None:
        """The next result; None at the end."""
        with self._lock:
            if self._thread is None and not self._ended.is_set():
                job = self._start()
                self._caller = threading.current_thread()
                self._thread = threading.Thread(
                    target=self._run, args=[job], name="streamfer.analyze", daemon=True
                )
                self._thread.start()
        return self._queue.take()

    def stop(self) -> None:
        """Stops the job if it runs."""
        self._ended.set()
        self._queue.cancel()

    def end(self) -> None:
        """Stops the job if it runs, and waits for its end."""
        self.stop()
        with self._lock:
            thread = self._thread
        if thread is None:
            self._tell()
        else:
            thread.join()

    def drop(self) -> None:
        """Ends the job whose results nobody has any more; at the interpreter's end, too.

        Results in a reference cycle are dropped in whichever thread the collector happens to run.
        The threads of runs are daemons, and a run cannot end while one of them waits for its end.
        """
        here = threading.current_thread()
        if here.daemon and here is not self._caller:
            self.stop()
        else:
            self.end()

    def raise_failure(self) -> None:
        """Raises, once, what ended the job, or one of its streams or outputs, early."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _run(self, job: Job) -> None:
        try:
            outcome = job.run(lambda: job.abort() if self._ended.is_set() else None)
            self._failure = next((error for _, error in outcome.failures), None)
        except BaseException as error:
            self._failure = error
        finally:
            self._queue.close()
            self._tell()

    def _tell(self) -> None:
        while self.when_ended:
            self.when_ended.pop()()
