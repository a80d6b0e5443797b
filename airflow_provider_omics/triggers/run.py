"""Waiting for a run in the triggerer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.outcome import RunView
from airflow_provider_omics.healthomics.service_errors import WRONG_STATE_CODES, error_code
from airflow_provider_omics.healthomics.waiting import RunWait, Stop, WaitEnd, WaitPolicy, awatch
from airflow_provider_omics.hooks.parameters import ConnectionParameters

if TYPE_CHECKING:
    from types_aiobotocore_omics.client import OmicsClient

_CREDENTIALS_EXPIRED = frozenset({"ExpiredTokenException", "ExpiredToken", "RequestExpired"})
# What a run that has ended or is gone may answer to CancelRun.
_NOTHING_TO_CANCEL = WRONG_STATE_CODES | {"ResourceNotFoundException"}
_JUST_STARTED_GRACE = 60.0

BACKSTOP = timedelta(minutes=2)
"""How long after a trigger's deadline Airflow's own timeout steps in, in case that the trigger did not."""


class OmicsRunTrigger(BaseTrigger):
    """Wait until a run has ended, and fire one event that says how (GetRun).

    Takes the connection parameters of :mod:`airflow_provider_omics.hooks.parameters` too.

    :param run_id: id of the run.
    :param waiter_delay: seconds between two looks at the run; more than 0.
    :param waiter_max_attempts: how many looks there may be; None for no limit. A triggerer that restarts counts
        from the beginning.
    :param deadline: when to stop waiting, in seconds since the epoch; None for never.
    :param just_started: whether the service may not know the run yet; then it may be not found for a minute.
    :param gone_is_end: whether a run that is not found counts as ended.
    :param cancel_on_kill: whether the run is cancelled at the deadline, and when a user kills, clears or marks the
        deferred task (Airflow 3.3 and later); never when the triggerer restarts or hands the trigger on.
    """

    def __init__(
        self,
        *,
        run_id: str,
        waiter_delay: float = 30,
        waiter_max_attempts: int | None = None,
        deadline: float | None = None,
        just_started: bool = False,
        gone_is_end: bool = False,
        cancel_on_kill: bool = False,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.run_id = run_id
        self.waiter_delay = waiter_delay
        self.waiter_max_attempts = waiter_max_attempts
        self.deadline = deadline
        self.just_started = just_started
        self.gone_is_end = gone_is_end
        self.cancel_on_kill = cancel_on_kill
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the trigger is stored as: its class and its arguments, all of them JSON."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "run_id": self.run_id,
            "waiter_delay": self.waiter_delay,
            "waiter_max_attempts": self.waiter_max_attempts,
            "deadline": self.deadline,
            "just_started": self.just_started,
            "gone_is_end": self.gone_is_end,
            "cancel_on_kill": self.cancel_on_kill,
            **ConnectionParameters.of(self).to_payload(),
        }

    def new_wait(self) -> RunWait:
        """Return the wait that these arguments ask for, for a triggerer or a worker to drive."""
        policy = WaitPolicy(
            delay=self.waiter_delay,
            max_attempts=self.waiter_max_attempts,
            deadline=self.deadline,
            missing_budget=_JUST_STARTED_GRACE if self.just_started else 0.0,
            gone_is_end=self.gone_is_end,
        )
        return RunWait(self.run_id, policy)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire the payload of a :class:`~airflow_provider_omics.healthomics.waiting.WaitEnd`."""
        async with _RunClient(self.run_id, ConnectionParameters.of(self)) as client:
            end = await awatch(self.new_wait(), client.look, asyncio.sleep, self.log)
            if end.why is Stop.DEADLINE and self.cancel_on_kill:
                end = await self._cancel_at_deadline(client, end)
        yield TriggerEvent(end.to_payload())  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Cancel the run, once, when a user kills the deferred task (CancelRun)."""
        if not self.cancel_on_kill:
            return
        async with _RunClient(self.run_id, ConnectionParameters.of(self)) as client:
            if await client.cancel():
                self.log.info("Asked HealthOmics to cancel run %s, since its task was killed", self.run_id)
            else:
                self.log.info("HealthOmics run %s has ended or is gone; nothing to cancel", self.run_id)

    async def _cancel_at_deadline(self, client: _RunClient, end: WaitEnd) -> WaitEnd:
        # Here and not in the task: Airflow 2 times a task out before it can act on the event.
        try:
            if await client.cancel():
                return replace(end, reason=f"{end.reason}; it is being cancelled (execution_timeout)")
            run = await client.look()
        except Exception as error:
            return replace(end, reason=f"{end.reason} (execution_timeout); cancelling it failed: {error}")
        return WaitEnd(Stop.ENDED, self.run_id, run) if run.phase.is_final else end


class _RunClient:
    """Looks at one run and cancels it; makes its client when needed, and anew when the credentials expired."""

    def __init__(self, run_id: str, connection: ConnectionParameters) -> None:
        self._run_id = run_id
        self._connection = connection
        self._stack = AsyncExitStack()
        self._client: OmicsClient | None = None

    async def __aenter__(self) -> _RunClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def look(self) -> RunView:
        """Ask once."""
        client = self._client or await self._connect()
        try:
            return RunView.of(await client.get_run(id=self._run_id))
        except ClientError as error:
            if error_code(error) in _CREDENTIALS_EXPIRED:
                await self._disconnect()
            raise

    async def cancel(self) -> bool:
        """Ask for the run to be cancelled; False if it had ended or is gone."""
        client = self._client or await self._connect()
        try:
            await client.cancel_run(id=self._run_id)
        except ClientError as error:
            if error_code(error) not in _NOTHING_TO_CANCEL:
                raise
            return False
        return True

    async def _connect(self) -> OmicsClient:
        client = await self._stack.enter_async_context(await self._connection.hook().make_async_client())
        self._client = client
        return client

    async def _disconnect(self) -> None:
        self._client = None
        await self._stack.aclose()
