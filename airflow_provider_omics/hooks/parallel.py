"""Making many calls side by side, with few of them waiting at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# A thread always finds its next call waiting, and memory does not grow with the number of calls.
_AHEAD = 4


def in_parallel(
    act: Callable[[Item], Answer], items: Iterable[Item], workers: int
) -> Generator[tuple[Item, Answer], None, None]:
    """Yield what each of many calls returned, in the order of the items.

    :param act: makes a call; it must not depend on the thread.
    :param workers: how many calls are made at a time, 1 or more.
    :raises Exception: what the first call that failed raised; calls that have not begun are not made then.
    """
    pending: deque[tuple[Item, Future[Answer]]] = deque()
    executor = ThreadPoolExecutor(workers, thread_name_prefix="omics")
    try:
        for item in items:
            pending.append((item, executor.submit(act, item)))
            if len(pending) >= workers * _AHEAD:
                first, answer = pending.popleft()
                yield first, answer.result()
        while pending:
            first, answer = pending.popleft()
            yield first, answer.result()
    finally:
        executor.shutdown(cancel_futures=True)
