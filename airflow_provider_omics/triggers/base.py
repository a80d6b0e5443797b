"""Waiting in the triggerer, whatever is waited for."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import Any, ClassVar, Generic

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_provider_omics.compat import HAS_TRIGGER_ON_KILL, task_state
from airflow_provider_omics.healthomics.api.errors import message_of
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.service_errors import concerns_all_calls, error_code
from airflow_provider_omics.healthomics.batches.cohort_poll import Trail
from airflow_provider_omics.healthomics.discovery.cohort_search import CohortSearch
from airflow_provider_omics.healthomics.polling.engine import RETRY_TIMEOUT, Waiter, WaitPolicy
from airflow_provider_omics.healthomics.polling.poll import Poll, SnapshotT
from airflow_provider_omics.healthomics.polling.result import StopReason, WaitResult
from airflow_provider_omics.healthomics.requests.identity import TaskIdentity
from airflow_provider_omics.healthomics.watcher.watcher import StatusWatcher
from airflow_provider_omics.hooks.parameters import ConnectionParameters
from airflow_provider_omics.jobs.cancellation import CancelReason, Decision, decide, reason_of_state
from airflow_provider_omics.triggers.watchers import watcher_pool

_JUST_STARTED_GRACE = 60.0
# Airflow gives a trigger 30 seconds to act on a kill; what that is too short for goes on without the trigger.
_SECONDS_FOR_A_KILL, _MOST_SECONDS_FOR_A_KILL = 25.0, 900.0
_BETWEEN_CANCELS = 5.0
_background_cancels: set[asyncio.Task[None]] = set()

DEFER_TIMEOUT_GRACE = timedelta(minutes=2)
"""How long after a trigger's deadline Airflow's own timeout steps in, in case that the trigger did not."""


@lru_cache(maxsize=256)
def _shared(policy: WaitPolicy) -> WaitPolicy:
    """Return one object for all policies that are equal, of which there may be very many."""
    return policy


class _Payload(dict[str, Any]):
    """The payload of an event, which Airflow's log shows as what ended and why.

    :ivar text: the same in words.
    """

    text = ""

    def __repr__(self) -> str:
        return self.text


class OmicsWaitTrigger(BaseTrigger, Generic[SnapshotT]):
    """Base of the triggers that wait for one thing and fire one event that says how it ended.

    :cvar arguments: names of the arguments that a subclass adds; it keeps each under its name.
    :param waiter_delay: seconds between two polls, 0.01 to 604,800. Triggers of one connection are polled together, so
        it says how old what they know may be, as far as the budget of calls allows. Default ``30``.
    :param waiter_max_attempts: most polls that are answered, 1 or more; None for no limit. A triggerer that restarts
        counts from the beginning.
    :param error_budget: seconds for which errors are put up with before the wait ends, 0 or more; of any kind once the
        service has answered, before that only of those that pass by themselves. Default ``3600``.
    :param is_known: whether the service has answered about it before, to the task. Default ``False``.
    :param deadline: when to stop waiting, in seconds since the epoch; None for never.
    :param resume_state: what the task has to know to finish, as JSON values; comes back in the event under
        ``resume_state``. None for nothing, and then the event has no such key.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    arguments: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        waiter_delay: float = 30,
        waiter_max_attempts: int | None = None,
        error_budget: float = RETRY_TIMEOUT,
        is_known: bool = False,
        deadline: float | None = None,
        resume_state: dict[str, Any] | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waiter_delay = waiter_delay
        self.waiter_max_attempts = waiter_max_attempts
        self.error_budget = error_budget
        self.is_known = is_known
        self.deadline = deadline
        self.resume_state = resume_state
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self._trail: Trail[SnapshotT] | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the trigger is stored as: its class and its arguments, all of them JSON."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            **{name: getattr(self, name) for name in self.arguments},
            "waiter_delay": self.waiter_delay,
            "waiter_max_attempts": self.waiter_max_attempts,
            "error_budget": self.error_budget,
            "is_known": self.is_known,
            "deadline": self.deadline,
            "resume_state": self.resume_state,
            **ConnectionParameters.of(self).to_payload(),
        }

    @abstractmethod
    def new_poll(self) -> Poll[SnapshotT]:
        """Return the poll spec of what is waited for."""

    @property
    def announcement(self) -> str:
        """What the task's log says when the wait begins here."""
        label, every = self._first_poll(self.trail()).initial.label, f"{self.waiter_delay:g}"
        return f"Waiting in the triggerer for HealthOmics {label}, without a worker; looking every {every} seconds"

    def policy(self) -> WaitPolicy:
        """Return how to wait."""
        return WaitPolicy(
            delay=self.waiter_delay,
            max_attempts=self.waiter_max_attempts,
            deadline=self.deadline,
            retry_timeout=self.error_budget,
            is_known=self.is_known,
        )

    def new_waiter(self, clock: Callable[[], float] = time.time) -> Waiter[SnapshotT]:
        """Return the wait that the arguments ask for, for a triggerer or a worker to drive.

        :param clock: gives seconds since the epoch.
        """
        self._trail = self.trail()
        return Waiter(self._first_poll(self._trail), _shared(self.policy()), clock)

    def _first_poll(self, trail: Trail[SnapshotT] | None) -> Poll[SnapshotT]:
        return self.new_poll() if trail is None else trail.first_poll()

    def trail(self) -> Trail[SnapshotT] | None:
        """Return the polls to make one after the other; None if there is only :meth:`new_poll`."""
        return None

    def next_waiter(self, wait: Waiter[SnapshotT], end: WaitResult[SnapshotT]) -> Waiter[SnapshotT] | None:
        """Return what to wait for after a wait has ended; None if that was all."""
        if self._trail is None or end.why is not StopReason.ENDED:
            return None
        poll = self._trail.next_poll(wait.poll, end.snapshot, self.log)
        # What has been polled was answered.
        return None if poll is None else Waiter(poll, replace(self.policy(), is_known=True), wait.clock)

    def conclusion(self, wait: Waiter[SnapshotT], end: WaitResult[SnapshotT]) -> WaitResult[SnapshotT]:
        """Return what the last of several waits, which ended so, makes of all of them."""
        if self._trail is None:
            return end
        if end.why is StopReason.ENDED:
            return replace(end, snapshot=self._trail.verdict)
        if isinstance(wait.poll, CohortSearch) and wait.poll.question is None:
            # Without other batches, what was waited for has ended.
            self.log.warning("%s", entry("Other batches of the cohort were not found: %s", end.reason))
            return WaitResult(StopReason.ENDED, self._trail.verdict)
        return end

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire the payload of a :class:`~airflow_provider_omics.healthomics.polling.result.WaitResult`."""
        async with self.watcher() as watcher:
            wait = self.new_waiter(watcher.clock.now)
            while True:
                end = await watcher.wait(wait, self.log)
                following = self.next_waiter(wait, end)
                if following is None:
                    break
                wait = following
            end = self.conclusion(wait, end)
            if end.why is StopReason.DEADLINE:
                end = await self.on_deadline(watcher, end)
        resume_state = {} if self.resume_state is None else {"resume_state": self.resume_state}
        payload = _Payload(end.to_payload(), **resume_state)
        payload.text = f"{end.snapshot.label}: {end.why}"
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def on_deadline(self, watcher: StatusWatcher, end: WaitResult[SnapshotT]) -> WaitResult[SnapshotT]:
        """Do what has to be done when time is up, and return the end to fire."""
        return end

    def watcher(self) -> AbstractAsyncContextManager[StatusWatcher]:
        """Return what this trigger and all others of its connection wait with, to enter."""
        return watcher_pool.watcher(ConnectionParameters.of(self))


class OmicsResourceTrigger(OmicsWaitTrigger[SnapshotT]):
    """Base of the triggers that wait for something that a task may have made, changed or deleted just now.

    :param just_started: whether the service has named it just now and may not show it yet; then it may be not found for
        a minute, and counts as known otherwise. Default ``False``.
    :param gone_is_end: whether one that is not found counts as ended; it was changed by the task, so it is known.
        Default ``False``.
    """

    def __init__(self, *, just_started: bool = False, gone_is_end: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.just_started = just_started
        self.gone_is_end = gone_is_end

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the trigger is stored as: its class and its arguments, all of them JSON."""
        path, arguments = super().serialize()
        return path, {**arguments, "just_started": self.just_started, "gone_is_end": self.gone_is_end}

    def policy(self) -> WaitPolicy:
        """Return how to wait."""
        grace = _JUST_STARTED_GRACE if self.just_started else 0.0
        # What a task has started, adopted, cancelled or deleted, the service has answered about.
        is_known = self.is_known or self.just_started or self.gone_is_end
        return replace(super().policy(), not_found_grace=grace, missing_ok=self.gone_is_end, is_known=is_known)


class OmicsJobTrigger(OmicsResourceTrigger[SnapshotT]):
    """Base of the triggers that wait for something that a task started, and may have to stop it.

    :param cancel_on_kill: whether it is cancelled when a user kills, clears or marks the deferred task; never when the
        triggerer restarts or hands the trigger on. Default ``False``.
    :param cancel_on_timeout: whether it is cancelled at the deadline; None for the same as ``cancel_on_kill``.
    """

    def __init__(self, *, cancel_on_kill: bool = False, cancel_on_timeout: bool | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the trigger is stored as: its class and its arguments, all of them JSON."""
        path, arguments = super().serialize()
        cancels = {"cancel_on_kill": self.cancel_on_kill, "cancel_on_timeout": self.cancel_on_timeout}
        return path, {**arguments, **cancels}

    @property
    @abstractmethod
    def label(self) -> str:
        """What to call it in the log."""

    @abstractmethod
    async def cancel_job(self, watcher: StatusWatcher) -> bool:
        """Ask for it to be cancelled; False if it had ended or is gone."""

    def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire the payload of a :class:`~airflow_provider_omics.healthomics.polling.result.WaitResult`."""
        # There may be very many, so none has a generator that it does not need.
        return super().run() if HAS_TRIGGER_ON_KILL else self._run_without_on_kill(super().run())

    async def _run_without_on_kill(self, events: AsyncIterator[TriggerEvent]) -> AsyncIterator[TriggerEvent]:
        try:
            async for event in events:
                yield event
        except asyncio.CancelledError:
            if self.cancel_on_kill and self.task_instance is not None:
                try:
                    await self._shielded(self._cancel_if_killed())
                except Exception as error:
                    self.log.error("%s", entry("HealthOmics %s was not cancelled, and goes on: %s", self.label, error))
            raise

    async def on_kill(self) -> None:
        """Cancel it, once, when a user kills the deferred task."""
        if self.cancel_on_kill:
            await self._shielded(self._cancel_if_killed())

    async def _cancel_if_killed(self) -> None:
        reason = await self._kill_reason()
        if decide(reason, cancel_on_kill=self.cancel_on_kill) is Decision.CANCEL:
            await self._cancel()

    async def _kill_reason(self) -> CancelReason:
        """Return why Airflow cancels the trigger."""
        if self.task_instance is None:
            return CancelReason.MARKED
        try:
            state = await sync_to_async(task_state)(TaskIdentity.of(self.task_instance))
        except Exception as error:
            self.log.warning(
                "%s", entry("Why the wait for HealthOmics %s was cancelled is not known: %s", self.label, error)
            )
            # Where Airflow has an on_kill, its call tells of a kill; before, a triggerer that ends looks the same.
            return CancelReason.MARKED if HAS_TRIGGER_ON_KILL else CancelReason.TRIGGERER_ENDED
        return reason_of_state(state, was_deferred=True)

    async def _cancel(self) -> None:
        async with self.watcher() as watcher:
            while True:
                try:
                    is_stopped = await self.cancel_job(watcher)
                    break
                except Exception as error:
                    if not concerns_all_calls(error):
                        raise
                    self.log.warning("%s", entry("HealthOmics %s could not be cancelled yet: %s", self.label, error))
                await watcher.clock.sleep(_BETWEEN_CANCELS)
            if is_stopped:
                self.log.info("Asked HealthOmics to cancel %s, since its task was killed", self.label)
            else:
                self.log.info("HealthOmics %s has ended or is gone; nothing to cancel", self.label)

    async def on_deadline(self, watcher: StatusWatcher, end: WaitResult[SnapshotT]) -> WaitResult[SnapshotT]:
        """Cancel it, unless it has ended meanwhile."""
        # Here and not in the task: Airflow 2 times a task out before it can act on the event.
        if not (self.cancel_on_kill if self.cancel_on_timeout is None else self.cancel_on_timeout):
            return end
        poll = self.new_poll()
        try:
            if await self.cancel_job(watcher):
                return replace(end, reason=f"{end.reason}; it is being cancelled (execution_timeout)")
            snapshot = await watcher.ask(poll.requests())
        except Exception as error:
            reason = f"{end.reason} (execution_timeout); cancelling it failed: {message_of(error)}"
            return replace(end, reason=reason, error_code=error_code(error))
        return WaitResult(StopReason.ENDED, snapshot) if poll.is_over(snapshot) else end

    async def _shielded(self, work: Coroutine[Any, Any, None]) -> None:
        """Shield an awaitable from the triggerer, which cancels the waiting task each second until it is gone.

        What takes longer than the triggerer waits, such as many tasks that are killed at once, is left to go on.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _SECONDS_FOR_A_KILL
        task = loop.create_task(asyncio.wait_for(work, _MOST_SECONDS_FOR_A_KILL))
        while not task.done() and (left := until - loop.time()) > 0:
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task}, timeout=left)
        if task.done():
            await task
            return
        self.log.info("HealthOmics %s is not cancelled yet; the triggerer goes on with it", self.label)
        _background_cancels.add(task)
        task.add_done_callback(self._background_cancel_done)

    def _background_cancel_done(self, task: asyncio.Task[None]) -> None:
        _background_cancels.discard(task)
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            self.log.error("%s", entry("HealthOmics %s was not cancelled, and goes on: %s", self.label, repr(error)))
