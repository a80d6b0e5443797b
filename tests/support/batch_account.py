"""An account whose clock a test moves, with the operations of batches called as the server calls them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from airflow_provider_omics.healthomics.api.statuses import BatchStatus, Phase, RunStatus, classify
from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.assumptions import Assumptions
from airflow_provider_omics.local.aws import Aws
from airflow_provider_omics.local.batches.machine import attach_batches
from airflow_provider_omics.local.clock import ManualClock
from airflow_provider_omics.local.errors import ServiceError
from airflow_provider_omics.local.executors.outcomes import SimulatedOutcomes
from airflow_provider_omics.local.executors.simulated import SimulatedExecutor
from airflow_provider_omics.local.http.service import OmicsService
from airflow_provider_omics.local.operations.registry import HANDLERS
from airflow_provider_omics.local.quotas import Quotas
from airflow_provider_omics.local.records import Batch
from airflow_provider_omics.local.timings import Timings
from airflow_provider_omics.local.workflows.catalogue import share_workflow

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/omics"
WORKFLOW = "77"
SETTINGS = [{"runSettingId": f"sample-{n}"} for n in range(4)]

# One run per second, so that a test can stand between two submissions.
SLOW = Timings(
    pending=1,
    starting=1,
    running_min=10,
    running_max=10,
    stopping=1,
    batch_creating=1,
    batch_validating=1,
    submissions_per_second=1,
    batch_stopping=1,
    run_summary_lag=0,
)


_open: list[AccountState] = []


def close_accounts() -> None:
    """Have no account write what its runs leave any more, which other tests would find in the same buckets."""
    while _open:
        _open.pop().unread.close()


class BatchAccount:
    """An account with one ACTIVE workflow (id 77) and an empty bucket."""

    def __init__(
        self,
        *,
        timings: Timings = SLOW,
        quotas: Quotas | None = None,
        outcomes: SimulatedOutcomes | None = None,
        **assumptions: Any,
    ) -> None:
        OmicsService()  # registers every operation
        self.clock = ManualClock()
        outcomes = outcomes or SimulatedOutcomes(write_logs=False)
        self.state = AccountState(
            region="eu-west-1",
            account=ACCOUNT,
            clock=self.clock,
            assumptions=Assumptions(**assumptions),
            make_executor=lambda state: SimulatedExecutor(state, outcomes),
            aws=Aws("eu-west-1", ACCOUNT),
            timings=timings,
            quotas=quotas or Quotas.wide(),
        )
        _open.append(self.state)
        attach_batches(self.state)
        self.seen: list[BatchStatus] = []
        self.state.batch_observers.append(lambda batch, _old: self.seen.append(batch.status))
        share_workflow(self.state, WORKFLOW, ACCOUNT, name="workflow")
        self.bucket = f"settings-{uuid.uuid4()}"
        self.state.aws.ensure_bucket(self.bucket)

    def call(self, operation: str, **members: Any) -> dict[str, Any]:
        return HANDLERS[operation](self.state, members)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.state.timeline.run_due()

    def request(self, settings: Any = SETTINGS, **defaults: Any) -> dict[str, Any]:
        """Return a StartRunBatch request; text as settings is the URI of a file."""
        member = "s3UriSettings" if isinstance(settings, str) else "inlineSettings"
        setting = {"workflowId": WORKFLOW, "roleArn": ROLE, "outputUri": "s3://results/runs", **defaults}
        return {"requestId": str(uuid.uuid4()), "defaultRunSetting": setting, "batchRunSettings": {member: settings}}

    def start(self, settings: Any = SETTINGS, **defaults: Any) -> Batch:
        batch_id = self.call("StartRunBatch", **self.request(settings, **defaults))["id"]
        return self.state.batches[batch_id]

    def put_settings(self, settings: Any, key: str = "settings.json") -> str:
        """Write a file of run settings, given as bytes or as what is to become JSON, and return its URI."""
        content = settings if isinstance(settings, bytes) else json.dumps(settings).encode()
        uri = f"s3://{self.bucket}/{key}"
        self.state.aws.put_object(uri, content)
        return uri

    def until(self, batch: Batch, *wanted: BatchStatus, step: float = 0.5) -> Batch:
        """Move the clock until the batch has one of the states wanted."""
        for _ in range(2000):
            if batch.status in wanted:
                return batch
            self.advance(step)
        raise AssertionError(f"the batch stayed {batch.status}; wanted {wanted}")

    def processed(self, settings: Any = SETTINGS, **defaults: Any) -> Batch:
        return self.until(self.start(settings, **defaults), BatchStatus.PROCESSED)

    def get(self, batch: Batch) -> dict[str, Any]:
        return self.call("GetBatch", batchId=batch.batch_id)

    def listed(self, batch: Batch, **filters: Any) -> list[dict[str, Any]]:
        """Return every page of ListRunsInBatch."""
        return list(self._pages("ListRunsInBatch", "runs", batchId=batch.batch_id, **filters))

    def _pages(self, operation: str, key: str, **request: Any) -> Iterable[dict[str, Any]]:
        while True:
            answer = self.call(operation, **request)
            yield from answer[key]
            if "nextToken" not in answer:
                return
            request["startingToken"] = answer["nextToken"]

    def statuses(self, batch: Batch) -> dict[str, str | None]:
        """Return the submission status of every listed run setting."""
        return {item["runSettingId"]: item.get("submissionStatus") for item in self.listed(batch)}

    def active_runs(self, batch: Batch) -> int:
        runs = self.state.runs_of_batch(batch.batch_id)
        return sum(classify(RunStatus, run.status) is Phase.ACTIVE for run in runs)


def many(count: int, make: Callable[[int], dict[str, Any]] = lambda _n: {}) -> list[dict[str, Any]]:
    """Return run settings with ids of their own."""
    return [{"runSettingId": f"sample-{n}", **make(n)} for n in range(count)]


@contextmanager
def refused(code: str, match: str | None = None) -> Iterator[None]:
    """Expect a call to be refused with an error code and a message."""
    with pytest.raises(ServiceError, match=match) as caught:
        yield
    assert caught.value.code == code
