"""Cache of answers that many viewers share: each is asked for once, however many ask for it at the same time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

_THREADS = 4
_MOST_WAITING = 64
_MOST_KEPT = 500


class BusyError(Exception):
    """More calls wait to be made than are taken on."""


@dataclass
class _Entry:
    future: Future[Any]
    expires: float | None = None


class SharedCalls:
    """Cache of answers for a while, in which calls for the same answer are one.

    Its threads are its own: however slow AWS is, the web server's own threads answer its other pages.

    :param clock: gives seconds; the default is the monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._waiting = 0
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="omics-page")

    def submit(self, key: Hashable, call: Callable[[], T], lifetime: Callable[[T | None], float]) -> Future[T]:
        """Return the answer that is known, or is being asked for, or else have the call made in a thread.

        :param key: of the answer; contains whatever the call depends on.
        :param lifetime: returns for how many seconds an answer is good, and for an error, as None.
        :raises BusyError: too many calls wait for a thread.
        """
        with self._lock:
            entry = self._known(key)
            if entry is not None:
                return entry.future
            if self._waiting >= _MOST_WAITING:
                raise BusyError
            self._waiting += 1
            entry = self._add(key)
        self._executor.submit(self._make_queued, key, entry, call, lifetime)
        return entry.future

    def call(self, key: Hashable, call: Callable[[], T], lifetime: Callable[[T | None], float]) -> T:
        """Return the answer that is known, or wait for it where it is being asked for, or make the call here.

        For calls that are made in the course of another one. The parameters are those of :meth:`submit`.
        """
        with self._lock:
            entry = self._known(key)
            mine = entry is None
            if entry is None:
                entry = self._add(key)
        if mine:
            self._make(key, entry, call, lifetime)
        answer: T = entry.future.result()
        return answer

    def _known(self, key: Hashable) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None or (entry.expires is not None and entry.expires <= self._clock()):
            return None
        self._entries.move_to_end(key)
        return entry

    def _add(self, key: Hashable) -> _Entry:
        if len(self._entries) >= _MOST_KEPT:
            self._make_room()
        entry = self._entries[key] = _Entry(Future())
        self._entries.move_to_end(key)
        return entry

    def _make_room(self) -> None:
        now = self._clock()
        for key, entry in list(self._entries.items()):
            if entry.expires is not None and (entry.expires <= now or len(self._entries) >= _MOST_KEPT):
                del self._entries[key]

    def _make_queued(
        self, key: Hashable, entry: _Entry, call: Callable[[], T], lifetime: Callable[[T | None], float]
    ) -> None:
        with self._lock:
            self._waiting -= 1
        self._make(key, entry, call, lifetime)

    def _make(self, key: Hashable, entry: _Entry, call: Callable[[], T], lifetime: Callable[[T | None], float]) -> None:
        began = self._clock()
        try:
            answer = call()
        except BaseException as error:
            self._expire(key, entry, began + lifetime(None))
            entry.future.set_exception(error)
        else:
            self._expire(key, entry, began + lifetime(answer))
            entry.future.set_result(answer)

    def _expire(self, key: Hashable, entry: _Entry, expires: float) -> None:
        with self._lock:
            entry.expires = expires
            # Answers that are good for nobody but those who wait, such as pages of samples, are not held.
            if expires <= self._clock() and self._entries.get(key) is entry:
                del self._entries[key]
