"""Pruning where answers lack members, lead nowhere, or carry tags that somebody has changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, PaginationError

from airflow_provider_omics.healthomics.api.calls import Request, list_items, run_with
from airflow_provider_omics.healthomics.pruning.criteria import PruneCriteria
from airflow_provider_omics.healthomics.pruning.plan import Protection, PrunePlan
from airflow_provider_omics.healthomics.pruning.reading import BatchReader, PruneReader, RunReader
from airflow_provider_omics.healthomics.requests.identity import (
    GENERATION_TAG,
    INTENT_TAG,
    NAMESPACE_TAG,
    TASK_TAG,
    generation_of,
)

NOW = 1_800_000_000.0
DAY = 86_400.0
OURS = {INTENT_TAG: "key", TASK_TAG: "task.life", NAMESPACE_TAG: "here", GENERATION_TAG: "0"}


def ago(days: float) -> datetime:
    return datetime.fromtimestamp(NOW - days * DAY, UTC)


class Account:
    """Answers what pruning asks of an account with a few runs and batches."""

    def __init__(self, *runs: dict[str, Any], batches: tuple[dict[str, Any], ...] = ()) -> None:
        self.runs, self.batches = list(runs), list(batches)

    def __call__(self, request: Request) -> Mapping[str, Any]:
        members = request.members
        if request.operation == "ListRuns":
            return {"items": [run for run in self.runs if members.get("batchId") in (None, run.get("batchId"))]}
        if request.operation == "ListBatch":
            return {"items": self.batches}
        things = self.runs if request.operation == "GetRun" else self.batches
        wanted = members.get("id") or members.get("batchId")
        for thing in things:
            if thing.get("id") == wanted:
                return thing
        raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, request.operation)


def plan_of(
    account: Account, kind: type[PruneReader] = RunReader, *, untagged: bool = False, **criteria: Any
) -> PrunePlan:
    protection = Protection("here", 7 * DAY, include_untagged=untagged)
    return run_with(account, kind(PruneCriteria(**criteria), protection, NOW, lambda *_: None).plan(1000))


def run(run_id: str = "1001", **members: Any) -> dict[str, Any]:
    return {"id": run_id, "status": "COMPLETED", "creationTime": ago(40), "stopTime": ago(39), "tags": OURS, **members}


def batch(**members: Any) -> dict[str, Any]:
    times = {"creationTime": ago(40), "createdAt": ago(40), "submittedTime": ago(40)}
    return {"id": "2001", "name": "cohort", "status": "PROCESSED", "tags": OURS, **times, **members}


def test_a_run_that_does_not_tell_its_end_is_as_old_as_its_cohort() -> None:
    odd = run(batchId="2001")
    del odd["stopTime"]
    account = Account(odd, batches=(batch(processedTime=ago(10)),))
    # The batch was processed ten days ago, and the run may have ended no earlier.
    assert plan_of(account, older_than=30 * DAY).entries == []
    assert [job.job_id for job in plan_of(account, older_than=9 * DAY).deletable] == ["1001"]
    alone = run()
    del alone["stopTime"]
    assert plan_of(Account(alone), older_than=DAY).protected == {"recent": 1}


def test_a_batch_that_does_not_tell_its_end_has_ended_with_its_last_run() -> None:
    account = Account(run("1001", batchId="2001"), run("1002", batchId="2001", stopTime=ago(2)), batches=(batch(),))
    assert plan_of(account, BatchReader, older_than=30 * DAY).entries == []
    assert plan_of(account, BatchReader, older_than=DAY).protected == {"recent": 1}
    assert plan_of(account, older_than=DAY).protected == {"recent": 2}


@pytest.mark.parametrize("kind", [RunReader, BatchReader])
def test_what_has_lost_its_other_tags_is_still_of_another_deployment(kind: type[PruneReader]) -> None:
    tags = {NAMESPACE_TAG: "there"}
    account = Account(run(tags=tags), batches=(batch(tags=tags, processedTime=ago(39)),))
    assert plan_of(account, kind, older_than=DAY).protected == {"untagged": 1}
    assert plan_of(account, kind, older_than=DAY, untagged=True).protected == {"other_deployment": 1}
    ours = {NAMESPACE_TAG: "here"}
    account = Account(run(tags=ours), batches=(batch(tags=ours, processedTime=ago(39)),))
    assert plan_of(account, kind, older_than=DAY).protected == {"untagged": 1}
    assert len(plan_of(account, kind, older_than=DAY, untagged=True).deletable) == 1


def test_what_has_no_id_is_left_alone() -> None:
    nameless = run()
    del nameless["id"]
    assert [job.job_id for job in plan_of(Account(nameless, run()), older_than=DAY).deletable] == ["1001"]


@pytest.mark.parametrize("noted", ["", "x", "-1", "1.5", "\u00b2", "9" * 5000])
def test_a_generation_that_is_no_number_stops_nothing(noted: str) -> None:
    assert generation_of({GENERATION_TAG: noted}, -1) == -1
    odd = batch(tags={**OURS, GENERATION_TAG: noted}, processedTime=ago(39))
    assert len(plan_of(Account(batches=(odd,)), BatchReader, older_than=DAY).deletable) == 1


def test_a_list_whose_page_leads_to_itself_is_an_error() -> None:
    def answer(_request: Request) -> Mapping[str, Any]:
        return {"items": [], "nextToken": "again"}

    with pytest.raises(PaginationError, match="again") as caught:
        run_with(answer, list_items("ListRuns", "items"))
    assert caught.value.operation_name == "ListRuns"
