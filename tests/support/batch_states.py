"""Batches brought into any state over HTTP."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from holding import Holding, after_each
from omics_service import ROLE, await_status

from airflow_provider_omics.healthomics.api.statuses import BatchStatus
from airflow_provider_omics.local import LocalOmics, Timings
from airflow_provider_omics.local.faults import FaultKind, FaultRule

FOR_EVER = 3600.0
LONG = {"omics-local:seconds": "3600"}
#: Seconds after which no sample of a batch is expected any more whose submissions are over.
LATE = 120


def samples(count: int, **settings: Any) -> list[dict[str, Any]]:
    """Run settings named sample-0, sample-1, ..."""
    return [{"runSettingId": f"sample-{n}", **settings} for n in range(count)]


def ending(run_setting_id: str, outcome: str) -> dict[str, Any]:
    """The settings of a run that ends with a failure code."""
    return {"runSettingId": run_setting_id, "runTags": {"omics-local:outcome": outcome}}


class Batches:
    """Starts batches of a server and waits for their states.

    :ivar held: releases what takes HELD seconds.
    """

    def __init__(self, server: LocalOmics, workflow_id: str) -> None:
        self.server = server
        self.omics = server.client("omics")
        self.held = Holding(server)
        self._workflow_id = workflow_id

    def start(self, settings: list[dict[str, Any]] | str | None = None, **defaults: Any) -> str:
        """Start a batch, of three samples unless others are given, also as a file's URI, and return its id."""
        default = {"workflowId": self._workflow_id, "roleArn": ROLE, "outputUri": "s3://results/runs", **defaults}
        kind = "s3UriSettings" if isinstance(settings, str) else "inlineSettings"
        given = {kind: settings or samples(3)}
        return str(self.omics.start_run_batch(defaultRunSetting=default, batchRunSettings=given)["id"])

    def until(self, batch_id: str, *statuses: str) -> dict[str, Any]:
        """Wait until a batch has one of these states, and return what GetBatch says."""
        return await_status(lambda: self.omics.get_batch(batchId=batch_id), *statuses)

    def status(self, batch_id: str) -> str:
        """Return a batch's state."""
        return str(self.omics.get_batch(batchId=batch_id)["status"])

    def ended(self, settings: list[dict[str, Any]] | None = None, **defaults: Any) -> str:
        """Return the id of a batch that is PROCESSED."""
        batch_id = self.start(settings, **defaults)
        self.until(batch_id, "PROCESSED")
        return batch_id

    def fail(self, step: str, count: int = 1, skip: int = 0, code: str = "InternalServerException") -> None:
        """Have steps inside of the service fail."""
        rule = FaultRule(kind=FaultKind.ERROR_BEFORE, operation=step, count=count, skip=skip, code=code)
        self.server.faults.add(rule)

    def after(self, operation: str, act: Callable[[], object]) -> None:
        """Do something after every call of an operation, before anyone can make the next."""
        after_each(self.server, operation, act)

    def in_state(self, status: str) -> str:
        """Return the id of a batch of three samples that stays in a state.

        One that FAILED has started two runs, which go on.
        """
        batch_id = getattr(self, f"_{status.lower()}")()
        self.until(batch_id, status)
        self.slow()
        return str(batch_id)

    def slow(self, **timings: float) -> None:
        """Have the service take these times, and all others as usual."""
        self.server.change(timings={**dataclasses.asdict(Timings.fast()), **timings})

    def run_statuses(self, batch_id: str) -> list[str]:
        """Return the status of every run of a batch."""
        return sorted(run["status"] for run in self.omics.list_runs(batchId=batch_id)["items"])

    def _creating(self) -> str:
        self.slow(batch_creating=FOR_EVER)
        return self.start()

    def _pending(self) -> str:
        self.slow(batch_validating=FOR_EVER)
        return self.start()

    def _submitting(self) -> str:
        self.slow(submissions_per_second=1 / FOR_EVER)
        return self.start()

    def _inprogress(self) -> str:
        return self.start(runTags=LONG)

    def _stopping(self) -> str:
        batch_id = self.in_state("INPROGRESS")
        self.slow(stopping=FOR_EVER)
        self.omics.cancel_run_batch(batchId=batch_id)
        await_status(lambda: {"status": " ".join(self.run_statuses(batch_id))}, "STOPPING STOPPING STOPPING")
        return batch_id

    def _cancelled(self) -> str:
        batch_id = self.in_state("INPROGRESS")
        self.omics.cancel_run_batch(batchId=batch_id)
        return batch_id

    def _processed(self) -> str:
        return self.start()

    def _failed(self) -> str:
        self.fail("RunBatch.abort", skip=2)
        return self.start(runTags=LONG)

    def _runs_deleting(self) -> str:
        batch_id = self.ended()
        self.slow(submissions_per_second=1 / FOR_EVER)
        self.omics.delete_run_batch(batchId=batch_id)
        return batch_id

    def _runs_deleted(self) -> str:
        batch_id = self.ended()
        self.omics.delete_run_batch(batchId=batch_id)
        return batch_id

    def _runs_delete_failed(self) -> str:
        self.fail("RunBatch.delete")
        return self._runs_deleted()


def minutes_ago(server: LocalOmics, batch_id: str, member: str) -> None:
    """Have a batch's submissions be over for longer than its samples may be late."""
    state = server.account()
    with state.lock:
        batch = state.batches[batch_id]
        setattr(batch, member, getattr(batch, member) - timedelta(seconds=LATE))


STATES = [status.value for status in BatchStatus]
