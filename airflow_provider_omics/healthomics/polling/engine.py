"""How long to wait, decided in one place: an observation goes in, a decision comes out.

What is waited for (a run, a batch, one sample of a batch) is a :class:`Poll`: what to ask the service, and what to make
of it. :class:`Waiter` decides after each poll and knows no clock but the one it is given. :func:`poll_until_done`
drives it in a worker and :func:`apoll_until_done` in a triggerer; neither decides anything.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic

from airflow_provider_omics.healthomics.api.backoff import Backoff, ErrorStreak, poll_backoff
from airflow_provider_omics.healthomics.api.calls import Requests, failed_operation
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.service_errors import (
    INVALID_STATE_CODES,
    ErrorCategory,
    Explanation,
    categorize,
    explain,
    is_from_aws,
)
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.polling.poll import Poll, SnapshotT
from airflow_provider_omics.healthomics.polling.result import PollAgain, StopReason, WaitResult

RETRY_TIMEOUT = 3600.0
"""Seconds for which errors are put up with, unless a user says otherwise."""


@dataclass(frozen=True, slots=True)
class WaitPolicy:
    """How to wait.

    :param delay: seconds between two polls.
    :param max_attempts: how many polls may be answered; None for no limit.
    :param deadline: when to stop waiting, in seconds since the epoch; None for never.
    :param retry_timeout: seconds of nothing but errors to put up with: of any kind after the first answer, before it of
        those that pass by themselves (throttling, 5xx, network).
    :param is_known: whether the service has answered about it before, to another process.
    :param not_found_grace: seconds for which it may be not found yet, since it was only just started.
    :param missing_ok: whether what is not found has ended, for those who want it gone.
    """

    delay: float = 30.0
    max_attempts: int | None = None
    deadline: float | None = None
    retry_timeout: float = RETRY_TIMEOUT
    is_known: bool = False
    not_found_grace: float = 0.0
    missing_ok: bool = False


@dataclass(slots=True)
class Waiter(Generic[SnapshotT]):
    """State machine of one wait: decides after each poll whether to go on.

    :param clock: gives seconds since the epoch.
    :param jitter: gives a number from 0 to 1, so that many waiters do not ask at the same moment.
    """

    poll: Poll[SnapshotT]
    policy: WaitPolicy
    clock: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random
    _last: SnapshotT | None = field(default=None, init=False)
    _polls: int = field(default=0, init=False)
    _errors: ErrorStreak | None = field(default=None, init=False)
    _missing_since: float | None = field(default=None, init=False)

    @property
    def last(self) -> SnapshotT:
        """The last snapshot, or what is known before the first."""
        return self.poll.initial if self._last is None else self._last

    @property
    def seen(self) -> SnapshotT | None:
        """The last snapshot; None before the first."""
        return self._last

    @property
    def is_failing(self) -> bool:
        """Whether the last poll was an error."""
        return self._errors is not None

    def on_response(self, snapshot: SnapshotT) -> PollAgain | WaitResult[SnapshotT]:
        """Decide after an answer."""
        before, self._last = self._last, snapshot
        self._errors = self._missing_since = None
        self._polls += 1
        if self.poll.is_over(snapshot):
            return WaitResult(StopReason.ENDED, snapshot)
        limit = self.policy.max_attempts
        if limit is not None and self._polls >= limit:
            return WaitResult(
                StopReason.ATTEMPTS, snapshot, f"looked {self._polls} times (waiter_max_attempts), and {self._state}"
            )
        text = self.poll.describe_change(before, snapshot)
        if snapshot.phase is Phase.UNKNOWN and text:
            text = f"{text}, a status that this release does not know; waiting on. Update the provider"
        usual = Backoff(self.policy.delay, self.policy.delay)
        return self._again(usual.seconds(1, self.jitter), text, snapshot.phase is Phase.UNKNOWN)

    def on_error(self, error: Exception) -> PollAgain | WaitResult[SnapshotT]:
        """Decide after an error."""
        now = self.clock()
        self._errors = errors = self._errors or ErrorStreak(now)
        errors.count += 1
        kind = categorize(error)
        seconds = poll_backoff(self.policy.delay, self.policy.retry_timeout).seconds(errors.count, self.jitter)
        explanation = explain(error, failed_operation(error) or self.poll.operation, self.last.label)
        text = explanation.describe()
        if kind is ErrorCategory.NOT_FOUND:
            if self._is_deleted(now):
                return WaitResult(StopReason.ENDED, self.last.as_deleted())
            if self.policy.not_found_grace:
                return self._again(seconds, f"Still waiting: {text}", True)
        budget = 0.0 if _is_refused_for_state(explanation) else self._retry_timeout(kind)
        if errors.exceeds(now, budget):
            why = StopReason.ERROR if budget <= 0 and kind is not ErrorCategory.TRANSIENT else StopReason.UNREACHABLE
            fate = self._fate(errors, now, budget) if budget > 0 else []
            *cause, remedy = explanation.lines()
            return WaitResult(why, self.last, "\n".join([*cause, *fate, remedy]), explanation.code)
        lasted = errors.describe(now, budget)
        return self._again(seconds, f"Still waiting: {text} Errors: {lasted}; looking again in {seconds:.0f} s", True)

    def timed_out(self) -> WaitResult[SnapshotT]:
        """Return the end for a task whose time is up."""
        return WaitResult(StopReason.DEADLINE, self.last, f"time is up and {self._state}")

    def interrupted(self) -> WaitResult[SnapshotT]:
        """Return the end for a task that was killed while it waited."""
        return WaitResult(StopReason.INTERRUPTED, self.last, "the task was killed")

    def _is_deleted(self, now: float) -> bool:
        """Whether what is not found was deleted, and is not just too new to be shown, or a wrong id."""
        if self._missing_since is None:
            self._missing_since = now
        grace = self.policy.not_found_grace
        is_known = self._last is not None or (self.policy.is_known and not grace)
        # The service has named it, so what it does not know even after a while was deleted.
        return is_known or self.policy.missing_ok or 0 < grace < now - self._missing_since

    def _retry_timeout(self, kind: ErrorCategory) -> float:
        is_put_up_with = kind is ErrorCategory.TRANSIENT or self._last is not None or self.policy.is_known
        return self.policy.retry_timeout if is_put_up_with else 0.0

    def _fate(self, errors: ErrorStreak, now: float, budget: float) -> list[str]:
        lasted, last = errors.describe(now, budget), self.last
        return [
            f"There were nothing but errors, {lasted}.",
            f"The {last.KIND} was not cancelled, and may go on; look at it with: {last.command}",
        ]

    @property
    def _state(self) -> str:
        return f"the {self.last.KIND} is {self.last.status or 'not seen yet'}"

    def _again(self, seconds: float, note: str | None, alarming: bool) -> PollAgain | WaitResult[SnapshotT]:
        deadline = self.policy.deadline
        if deadline is not None:
            left = deadline - self.clock()
            if left <= 0:
                return self.timed_out()
            seconds = min(seconds, left)
        return PollAgain(seconds, note, alarming)


def _is_refused_for_state(explanation: Explanation) -> bool:
    # Not a failed poll: what was polled does not let itself be cancelled.
    return explanation.operation.startswith("Cancel") and explanation.code in INVALID_STATE_CODES


def decide(waiter: Waiter[SnapshotT], answer: SnapshotT | Exception, log: Log) -> PollAgain | WaitResult[SnapshotT]:
    """Decide after an answer or an error, and log what is new."""
    if isinstance(answer, Exception):
        # A trigger that raises tells its task nothing, so even a mistake in the code becomes an end with its cause.
        if not is_from_aws(answer) and not waiter.is_failing:
            log.error("Looking at HealthOmics %s failed", waiter.last.label, exc_info=answer)
        decision = waiter.on_error(answer)
    else:
        decision = waiter.on_response(answer)
    if isinstance(decision, PollAgain) and decision.note:
        (log.warning if decision.alarming else log.info)("%s", entry(decision.note))
    return decision


def poll_once(
    waiter: Waiter[SnapshotT], ask: Callable[[Requests[SnapshotT]], SnapshotT], log: Log
) -> WaitResult[SnapshotT] | None:
    """Take one step of a wait in a worker.

    :param ask: makes the requests of one poll.
    :return: the end of waiting, or None to poll again.
    """
    decision = _poll(waiter, ask, log)
    return decision if isinstance(decision, WaitResult) else None


def poll_until_done(
    waiter: Waiter[SnapshotT],
    ask: Callable[[Requests[SnapshotT]], SnapshotT],
    pause: Callable[[float], bool],
    log: Log,
) -> WaitResult[SnapshotT]:
    """Drive a wait in a worker.

    :param ask: makes the requests of one poll.
    :param pause: sleeps so many seconds and returns whether the task was killed meanwhile.
    """
    while isinstance(decision := _poll(waiter, ask, log), PollAgain):
        if pause(decision.seconds):
            return waiter.interrupted()
    return decision


async def apoll_until_done(
    waiter: Waiter[SnapshotT],
    ask: Callable[[Requests[SnapshotT]], Awaitable[SnapshotT]],
    pause: Callable[[float], Awaitable[None]],
    log: Log,
) -> WaitResult[SnapshotT]:
    """Drive a wait in a triggerer.

    :param ask: makes the requests of one poll.
    :param pause: sleeps so many seconds.
    """
    while True:
        answer: SnapshotT | Exception
        try:
            answer = await ask(waiter.poll.requests())
        except Exception as error:
            answer = error
        decision = decide(waiter, answer, log)
        if isinstance(decision, WaitResult):
            return decision
        await pause(decision.seconds)


def _poll(
    waiter: Waiter[SnapshotT], ask: Callable[[Requests[SnapshotT]], SnapshotT], log: Log
) -> PollAgain | WaitResult[SnapshotT]:
    answer: SnapshotT | Exception
    try:
        answer = ask(waiter.poll.requests())
    except Exception as error:
        answer = error
    return decide(waiter, answer, log)
