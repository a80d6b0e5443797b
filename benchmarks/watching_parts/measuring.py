"""Measuring a process of its own: its CPU time, its memory, and how long its event loop was held up."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import resource
import time
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
MIB = 2**20


def in_fresh_process(work: Callable[..., T], *args: Any) -> T:
    """Have a function done in a process of its own, and return what it returned.

    :raises RuntimeError: it failed; the text has the traceback.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_do, args=(theirs, work, args))
    process.start()
    theirs.close()
    try:
        done, result = ours.recv()
    except EOFError:
        done, result = False, "the process has died"
    process.join()
    if not done:
        raise RuntimeError(f"{work.__name__} failed:\n{result}")
    answer: T = result
    return answer


def _do(pipe: Connection, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        pipe.send((True, work(*args)))
    except BaseException:
        pipe.send((False, traceback.format_exc()))


def memory_now() -> int:
    """Return how much memory this process holds, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def memory_peak() -> int:
    """Return the most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@dataclass
class Blocks:
    """How long an event loop was held up, at most, from one select of what is ready to the next.

    :ivar longest: seconds; also while other processes or threads had the processor.
    :ivar busy: seconds of CPU of the loop's own thread.
    """

    longest: float = 0.0
    busy: float = 0.0


class MeasuredLoop(asyncio.SelectorEventLoop):
    """An event loop that notes how long it works between two selects of what is ready."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = Blocks()
        self._look = self._selector.select  # type: ignore[attr-defined]
        self._selector.select = self._noted  # type: ignore[attr-defined]
        self._worked_from: tuple[float, float] | None = None

    def _noted(self, timeout: float | None = None) -> Any:
        if self._worked_from is not None:
            began, busy = self._worked_from
            self.blocks.longest = max(self.blocks.longest, time.perf_counter() - began)
            self.blocks.busy = max(self.blocks.busy, time.thread_time() - busy)
        ready = self.select(timeout)
        self._worked_from = time.perf_counter(), time.thread_time()
        return ready

    def select(self, timeout: float | None) -> Any:
        """Wait until something is ready."""
        return self._look(timeout)


@dataclass
class Usage:
    """What a process used, beyond what it had when measuring began.

    :ivar cpu: seconds of all of its threads.
    :ivar memory: bytes, at most.
    """

    cpu: float = 0.0
    memory: int = 0
    blocks: Blocks = field(default_factory=Blocks)


class Meter:
    """Measures from its creation on; imports should be done by then."""

    def __init__(self) -> None:
        gc.collect()
        self._memory = memory_now()
        self._cpu = time.process_time()

    def usage(self, blocks: Blocks) -> Usage:
        """Return what was used up to now."""
        return Usage(time.process_time() - self._cpu, memory_peak() - self._memory, Blocks(**vars(blocks)))


def run_measured(loop: MeasuredLoop, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work)
