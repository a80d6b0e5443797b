"""How the batches of a task are found again, and what a deferred task keeps of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import run_sync
from airflow_provider_omics.healthomics.discovery.checkpoint import (
    BATCH_TAG_COUNT,
    COHORT_TAG,
    CohortAttempt,
    CohortCheckpoint,
    attempts,
)
from airflow_provider_omics.healthomics.discovery.jobs import BATCH_API, MOST_READ, find_jobs
from airflow_provider_omics.healthomics.requests.identity import (
    FINISHED_TAG,
    MAX_BATCH_NAME,
    DagRunLife,
    JobKey,
    TaskIdentity,
)

MINE = JobKey(TaskIdentity("dag", "monday", "cohort"), "StartRunBatch")
OTHER = JobKey(TaskIdentity("dag", "tuesday", "cohort"), "StartRunBatch")
NAME = "shared"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Service:
    """Answers ListBatch and GetBatch at the boundary to AWS, newest first.

    :ivar looked_at: ids that GetBatch was asked for.
    """

    def __init__(self, *batches: Mapping[str, Any], page: int = 100, error: str = "ResourceNotFoundException") -> None:
        self.batches = {batch["id"]: batch for batch in batches}
        self.page = page
        self.error = error
        self.looked_at: list[str] = []

    def list_batch(self, *, name: str, **request: Any) -> dict[str, Any]:
        assert request["maxItems"] == 100
        start = int(request.get("startingToken", 0))
        # A service that filters by the beginning of a name would be right too.
        named = [batch for batch in reversed(self.batches.values()) if batch["name"].startswith(name)]
        items = [
            {key: batch[key] for key in ("id", "name", "createdAt") if key in batch}
            for batch in named[start : start + self.page]
        ]
        more = {"nextToken": str(start + self.page)} if start + self.page < len(named) else {}
        return {"items": items, **more}

    def get_batch(self, *, batchId: str) -> Mapping[str, Any]:
        self.looked_at.append(batchId)
        if self.batches[batchId].get("gone"):
            raise ClientError({"Error": {"Code": self.error}}, "GetBatch")
        return self.batches[batchId]


def batch(number: int, generation: int | None = 0, key: JobKey = MINE, **members: Any) -> dict[str, Any]:
    """GetBatch's answer about a batch; without a generation it has no tags."""
    tags = {} if generation is None else {**key.tags(generation), COHORT_TAG: f"defaults-{generation}"}
    created = NOON + timedelta(minutes=number)
    return {"id": str(number), "name": NAME, "createdAt": created, "tags": tags, **members}


def found(service: Service, name: str = NAME) -> list[CohortAttempt]:
    return attempts(run_sync(service, find_jobs(BATCH_API, MINE, (name,))).jobs)


@pytest.mark.parametrize("page", [1, 2, 100])
def test_batches_of_the_task_are_found_among_others_oldest_first(page: int) -> None:
    service = Service(
        batch(1),
        batch(2, 0, OTHER),
        batch(3, 1),
        batch(4, None),
        batch(5, 2),
        batch(6, 0, name="shared-by-name-only"),
        page=page,
    )
    assert found(service) == [
        CohortAttempt("1", 0, "defaults-0"),
        CohortAttempt("3", 1, "defaults-1"),
        CohortAttempt("5", 2, "defaults-2"),
    ]
    assert "6" not in service.looked_at


def test_generations_say_which_batch_is_older() -> None:
    assert [each.batch_id for each in found(Service(batch(1, 1), batch(2, 0)))] == ["2", "1"]


def test_batches_without_tags_are_found_by_the_default_name_in_the_order_of_their_creation() -> None:
    name = MINE.default_name(MAX_BATCH_NAME)
    service = Service(batch(1, None, name=name), batch(2, None, name=name), batch(3, 7, OTHER, name=name))
    assert found(service, name) == [CohortAttempt("1", 0, None), CohortAttempt("2", 1, None)]


def test_answers_without_optional_members_are_no_batches_of_the_task() -> None:
    bare = {"id": "1", "name": NAME}
    assert found(Service(bare, batch(2))) == [CohortAttempt("2", 0, "defaults-0")]


def test_a_batch_that_is_deleted_meanwhile_is_left_out() -> None:
    assert found(Service(batch(1, gone=True), batch(2, 1))) == [CohortAttempt("2", 1, "defaults-1")]


def test_a_batch_that_may_not_be_seen_is_an_error() -> None:
    with pytest.raises(ClientError, match="AccessDeniedException"):
        found(Service(batch(1, gone=True), error="AccessDeniedException"))


def test_so_many_of_one_name_are_looked_at_the_newest_first() -> None:
    service = Service(*(batch(number, 0, OTHER) for number in range(150)), batch(150))
    assert found(service) == [CohortAttempt("150", 0, "defaults-0")]
    assert list(map(int, service.looked_at)) == list(range(150, -1, -1))


def test_where_there_are_too_many_of_one_name_it_is_known_how_many_were_not_looked_at() -> None:
    service = Service(batch(0), *(batch(number, 0, OTHER) for number in range(1, MOST_READ + 4)))
    discovery = run_sync(service, find_jobs(BATCH_API, MINE, [NAME]))
    assert (discovery.jobs, discovery.unread) == ((), 4)
    assert len(service.looked_at) == MOST_READ


def test_batches_that_are_older_than_the_dag_run_are_not_looked_at() -> None:
    began = NOON + timedelta(hours=10)
    key = replace(MINE, dag_run=DagRunLife(since=began.timestamp()))
    service = Service(*(batch(60 * hour, 0, OTHER) for hour in range(9)), batch(600, 3, key))
    assert [job.generation for job in run_sync(service, find_jobs(BATCH_API, key, [NAME])).jobs] == [3]
    assert service.looked_at == ["600"]


def test_the_provider_adds_as_many_tags_as_it_reserves() -> None:
    assert len({**MINE.tags(0), COHORT_TAG: "x", FINISHED_TAG: "1"}) == BATCH_TAG_COUNT


FRESH = CohortCheckpoint("defaults-cohort", "s3://b/settings", "s3://b/results", 3, next_generation=2, redrives_left=1)


def test_a_batch_that_follows_takes_the_generation_and_begins_a_new_account() -> None:
    followed = replace(FRESH, redrive_all=True).with_batch("7")
    assert followed.batches == (CohortAttempt("7", 2, "defaults-cohort"),)
    assert (followed.next_generation, followed.redrive_all, followed.redrives_left) == (3, False, 1)
    assert followed.with_batch("8").batches[1] == CohortAttempt("8", 3, "defaults-cohort")


def test_a_checkpoint_survives_json_and_another_release() -> None:
    checkpoint = FRESH.with_batch("7").with_batch("8")
    stored = json.loads(json.dumps(checkpoint.to_payload()))
    assert CohortCheckpoint.from_payload(stored) == checkpoint
    assert CohortCheckpoint.from_payload({**stored, "of_a_later_release": 1}) == checkpoint
    assert stored.keys() >= {"given_up", "retry_all", "adopted"}
    del stored["given_up"]
    assert CohortCheckpoint.from_payload(stored) == checkpoint
