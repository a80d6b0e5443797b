"""Does what takes a while in threads of its own, so that nobody who holds the account's lock waits for it."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

Job = Callable[[], None]

_MOST_AT_ONCE = 4
_MOST_THREADS = 16
_SECONDS_TO_HOLD_UP_OTHERS = 5.0


class Background:
    """Threads that take jobs in the order in which they were put; made when needed.

    Four jobs at a time are done. One that takes longer than others may be held up no longer counts, so that up to
    sixteen may be under way, most of which hang.

    :param seconds: how long a job may hold up others, in real seconds, more than 0.
    """

    def __init__(self, seconds: float = _SECONDS_TO_HOLD_UP_OTHERS) -> None:
        self._seconds = seconds
        self._places = threading.Semaphore(_MOST_AT_ONCE)
        self._queue: queue.Queue[Job | None] = queue.Queue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def put(self, job: Job) -> None:
        """Have a job done soon; nothing happens after :meth:`close`."""
        with self._lock:
            if self._closed:
                return
            self._queue.put(job)
            if len(self._threads) < min(self._queue.unfinished_tasks, _MOST_THREADS):
                thread = threading.Thread(target=self._work, name="omics-background", daemon=True)
                self._threads.append(thread)
                thread.start()

    def drain(self) -> None:
        """Wait until every job is done; do not hold the account's lock meanwhile."""
        self._queue.join()

    def close(self) -> None:
        """End the threads once the jobs that they are at are done; do not hold the account's lock meanwhile."""
        with self._lock:
            self._closed = True
            threads, self._threads = self._threads, []
        for _thread in threads:
            self._queue.put(None)
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            try:
                with self._place():
                    if not self._closed:
                        job()
            except Exception:
                # The other jobs still need this thread.
                log.exception("A job of the local HealthOmics server failed")
            finally:
                self._queue.task_done()
        self._queue.task_done()

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Hold a place of those who work, until the end or for as long as others may be held up."""
        held = threading.Lock()

        def leave() -> None:
            if held.acquire(blocking=False):
                self._places.release()

        self._places.acquire()
        leaving = threading.Timer(self._seconds, leave)
        leaving.daemon = True
        leaving.start()
        try:
            yield
        finally:
            leaving.cancel()
            leave()
