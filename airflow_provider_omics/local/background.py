"""Does what takes a while in threads of its own, so that nobody who holds the account's lock waits for it."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

Job = Callable[[], None]

_MOST_THREADS = 4


class Background:
    """Threads that take jobs in the order in which they were put, at most four at a time; made when needed."""

    def __init__(self) -> None:
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
                if not self._closed:
                    job()
            except Exception:
                # The other jobs still need this thread.
                log.exception("A job of the local HealthOmics server failed")
            finally:
                self._queue.task_done()
        self._queue.task_done()
