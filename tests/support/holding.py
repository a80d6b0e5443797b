"""States of the local server that last until a test lets them go, however slow the machine is."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.journal import Call

#: Seconds that never go by; more than the longest time a run may take, also divided by the number of its tasks.
HELD = 10_000_000.0
_LEAST_HELD = HELD / 10

HELD_RUN = {"omics-local:seconds": str(HELD)}


class Holding:
    """Keeps what takes HELD seconds as it is until it is released: a batch being created, a run that goes on.

    Anything that takes these seconds is held, be it by the server's timings or by a run's tags; what is to last for
    longer than that takes ``FOR_EVER``.
    """

    def __init__(self, server: LocalOmics) -> None:
        self._server = server
        self._state = server.account()
        self._held: list[Callable[[], None]] = []
        self._is_released = False
        self._after = self._state.timeline.after
        self._state.timeline.after = self._keep  # type: ignore[method-assign]

    def release(self) -> None:
        """Let everything that is held go on before this returns, and hold nothing from now on."""
        with self._state.lock:
            self._is_released = True
            held, self._held = self._held, []
            for callback in held:
                self._after(0, callback)
            self._state.timeline.run_due()

    def release_after(self, operation: str, calls: int = 1) -> None:
        """Release once so many calls of an operation, from now on, have been answered or refused."""
        left = iter(range(calls)[::-1])
        after_each(self._server, operation, lambda: next(left, None) == 0 and self.release())

    def _keep(self, seconds: float, callback: Callable[[], None]) -> None:
        if seconds < _LEAST_HELD:
            self._after(seconds, callback)
        elif self._is_released:
            self._after(0, callback)
        else:
            self._held.append(callback)


def after_each(server: LocalOmics, operation: str, act: Callable[[], object]) -> None:
    """Do something after every call of an operation, before its answer is sent."""
    note = server.journal.add

    def and_then(call: Call) -> None:
        note(call)
        if call.operation == operation:
            act()

    server.journal.add = and_then  # type: ignore[method-assign]
