"""How long to wait for a run, decided in one place: an observation goes in, a decision comes out.

:class:`RunWait` decides and knows no clock but the one it is given. :func:`watch` drives it in a worker and
:func:`awatch` in a triggerer; neither decides anything.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

from airflow_provider_omics.healthomics.exceptions import OmicsError
from airflow_provider_omics.healthomics.outcome import RunView
from airflow_provider_omics.healthomics.service_errors import Nature, explain, is_from_aws, nature
from airflow_provider_omics.healthomics.statuses import Phase, RunStatus

_LONGEST_BACKOFF = 300.0
_JITTER = 0.1


class Log(Protocol):
    """What is asked of a logger; Airflow's is not always the standard library's."""

    def info(self, event: str, *args: Any) -> Any:
        """Tell."""

    def warning(self, event: str, *args: Any) -> Any:
        """Tell loudly."""

    def exception(self, event: str, *args: Any) -> Any:
        """Tell, with the traceback of what was just caught."""


@dataclass(frozen=True)
class WaitPolicy:
    """How to wait.

    :param delay: seconds between two looks at the run.
    :param max_attempts: how many looks there may be; None for no limit.
    :param deadline: when to stop waiting, in seconds since the epoch; None for never.
    :param error_budget: seconds of nothing but passing errors (throttling, 5xx, network) to put up with.
    :param missing_budget: seconds for which the run may be not found yet, since it was only just started.
    :param gone_is_end: whether a run that is not found has ended, for those who want it gone.
    """

    delay: float = 30.0
    max_attempts: int | None = None
    deadline: float | None = None
    error_budget: float = 900.0
    missing_budget: float = 0.0
    gone_is_end: bool = False


class Stop(StrEnum):
    """Why waiting ended.

    ``ERROR`` is an error that lasts, ``UNREACHABLE`` one that might have passed but did not within the budget.
    """

    ENDED = "ended"
    ATTEMPTS = "attempts"
    DEADLINE = "deadline"
    ERROR = "error"
    UNREACHABLE = "unreachable"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class WaitEnd:
    """The end of waiting.

    :param run: the run as last seen; None if it was never seen.
    :param reason: for the user, why nobody waits any more; empty when the run ended.
    :param error_code: code of the error that ended the wait, if one did.
    """

    why: Stop
    run_id: str
    run: RunView | None = None
    reason: str = ""
    error_code: str | None = None

    def to_payload(self) -> dict[str, Any]:
        """Return the end as a trigger event's payload."""
        succeeded = self.why is Stop.ENDED and self.run is not None and self.run.phase is Phase.SUCCEEDED
        return {
            "status": "success" if succeeded else "error",
            "why": self.why.value,
            "run_id": self.run_id,
            "run": self.run.to_payload() if self.run else None,
            "message": self.reason,
            "error_code": self.error_code,
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any] | None) -> WaitEnd:
        """Read what :meth:`to_payload` wrote, in this release or another.

        :raises OmicsError: there is nothing to read, since the trigger ended without an event.
        """
        if payload is None:
            raise OmicsError("The trigger ended without an event; see the triggerer's log")
        run = payload.get("run")
        return cls(
            why=Stop(payload["why"]),
            run_id=payload["run_id"],
            run=RunView.from_payload(run) if run else None,
            reason=payload.get("message") or "",
            error_code=payload.get("error_code"),
        )


@dataclass(frozen=True)
class KeepWaiting:
    """Look again after so many seconds.

    :param note: what to tell the user now; None if nothing changed.
    :param alarming: whether the note is a warning.
    """

    seconds: float
    note: str | None = None
    alarming: bool = False


Decision = KeepWaiting | WaitEnd


@dataclass
class RunWait:
    """Decides after each look at a run whether to go on.

    :param clock: gives seconds since the epoch.
    :param spread: gives a number from 0 to 1, so that many waiters do not ask at the same moment.
    """

    run_id: str
    policy: WaitPolicy
    clock: Callable[[], float] = time.time
    spread: Callable[[], float] = random.random
    _last: RunView | None = field(default=None, init=False)
    _looks: int = field(default=0, init=False)
    _errors: int = field(default=0, init=False)
    _failing_since: float | None = field(default=None, init=False)

    def saw(self, run: RunView) -> Decision:
        """Decide after an answer of GetRun."""
        changed = self._last is None or self._last.status != run.status
        self._last, self._errors, self._failing_since = run, 0, None
        if run.phase.is_final:
            return WaitEnd(Stop.ENDED, self.run_id, run)
        return self._again(self.policy.delay, *self._progress(run, changed))

    def failed(self, error: Exception) -> Decision:
        """Decide after an error of GetRun."""
        now = self.clock()
        self._errors += 1
        self._failing_since = now if self._failing_since is None else self._failing_since
        kind, failing_for = nature(error), now - self._failing_since
        if kind is Nature.MISSING and (self._last is not None or self.policy.gone_is_end):
            seen = self._last or RunView(self.run_id)
            return WaitEnd(Stop.ENDED, self.run_id, replace(seen, status=RunStatus.DELETED.value))
        budget = self._budget(kind)
        explanation = explain(error, "GetRun", f"run {self.run_id}")
        told = explanation.describe()
        if failing_for > budget or budget == 0:
            why = Stop.UNREACHABLE if kind is Nature.PASSING else Stop.ERROR
            lasted = f" (for {failing_for:.0f} s)" if budget else ""
            return WaitEnd(why, self.run_id, self._last, f"{told}{lasted}", explanation.code)
        delay = min(self.policy.delay * 2 ** min(self._errors - 1, 10), _LONGEST_BACKOFF)
        return self._again(max(delay, self.policy.delay), f"Still waiting: {told}", True)

    def interrupted(self) -> WaitEnd:
        """Return the end for a task that was killed while it waited."""
        return WaitEnd(Stop.INTERRUPTED, self.run_id, self._last, "the task was killed")

    def _progress(self, run: RunView, changed: bool) -> tuple[str | None, bool]:
        if not changed:
            return None, False
        if run.phase is Phase.UNKNOWN:
            text = f"HealthOmics run {self.run_id} is {run.status!r}, a status that this release does not know"
            return f"{text}; waiting on. Update the provider", True
        return f"HealthOmics run {self.run_id} is {run.status}", False

    def _budget(self, kind: Nature) -> float:
        budgets = {Nature.PASSING: self.policy.error_budget, Nature.MISSING: self.policy.missing_budget}
        return budgets.get(kind, 0.0)

    def _again(self, delay: float, note: str | None, alarming: bool) -> Decision:
        self._looks += 1
        limit, deadline = self.policy.max_attempts, self.policy.deadline
        status = self._last.status if self._last else "not seen yet"
        if limit is not None and self._looks >= limit:
            reason = f"looked {self._looks} times (waiter_max_attempts), the run is {status} and goes on"
            return WaitEnd(Stop.ATTEMPTS, self.run_id, self._last, reason)
        seconds = delay * (1 + _JITTER * (2 * self.spread() - 1))
        if deadline is not None:
            left = deadline - self.clock()
            if left <= 0:
                return WaitEnd(Stop.DEADLINE, self.run_id, self._last, f"time is up and the run is {status}")
            seconds = min(seconds, left)
        return KeepWaiting(seconds, note, alarming)


def look_once(wait: RunWait, look: Callable[[], RunView], log: Log) -> WaitEnd | None:
    """Take one step of a wait in a worker.

    :param look: asks the service once.
    :return: the end of waiting, or None to look again.
    """
    decision = _decide(wait, look, log)
    if isinstance(decision, WaitEnd):
        return decision
    _tell(decision, log)
    return None


def watch(
    wait: RunWait,
    look: Callable[[], RunView],
    pause: Callable[[float], bool],
    log: Log,
) -> WaitEnd:
    """Drive a wait in a worker.

    :param look: asks the service once.
    :param pause: sleeps so many seconds and returns whether the task was killed meanwhile.
    """
    while True:
        decision = _decide(wait, look, log)
        if isinstance(decision, WaitEnd):
            return decision
        _tell(decision, log)
        if pause(decision.seconds):
            return wait.interrupted()


async def awatch(
    wait: RunWait,
    look: Callable[[], Awaitable[RunView]],
    pause: Callable[[float], Awaitable[None]],
    log: Log,
) -> WaitEnd:
    """Drive a wait in a triggerer.

    :param look: asks the service once.
    :param pause: sleeps so many seconds.
    """
    while True:
        try:
            decision = wait.saw(await look())
        except Exception as error:
            decision = _judge(wait, error, log)
        if isinstance(decision, WaitEnd):
            return decision
        _tell(decision, log)
        await pause(decision.seconds)


def _decide(wait: RunWait, look: Callable[[], RunView], log: Log) -> Decision:
    try:
        return wait.saw(look())
    except Exception as error:
        return _judge(wait, error, log)


def _judge(wait: RunWait, error: Exception, log: Log) -> Decision:
    # A trigger that raises tells its task nothing, so even a mistake in the code becomes an end with its cause.
    if not is_from_aws(error):
        log.exception("Looking at HealthOmics run %s failed", wait.run_id)
    return wait.failed(error)


def _tell(decision: KeepWaiting, log: Log) -> None:
    if decision.note:
        (log.warning if decision.alarming else log.info)("%s", decision.note)
