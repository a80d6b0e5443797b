"""Which batches make up one cohort, by what their tags say, and what they came to together."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_omics.healthomics.api.calls import Request, run_with
from airflow_provider_omics.healthomics.batches.cohort_poll import add_up
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot
from airflow_provider_omics.healthomics.discovery.cohort_batches import (
    MOST_SIBLINGS_READ,
    CohortBatches,
    find_cohort,
)


class Service:
    """Answers GetBatch and ListBatch."""

    def __init__(self) -> None:
        self.batches: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []

    def add(self, generation: int, life: str = "l1", *, finished: bool = False, task: str = "t", **more: Any) -> str:
        """Add a batch that is newer than all others."""
        number = len(self.batches) + 1
        tags = {"airflow-task-instance": f"{task}.{life}", "airflow-generation": str(generation)}
        tags |= {"airflow-finished-try": "1"} if finished else {}
        created = datetime.fromtimestamp(1_700_000_000 + number, UTC)
        batch = {"id": str(number), "name": "cohort", "creationTime": created, "tags": tags, **more}
        self.batches[str(number)] = batch
        return str(number)

    def answer(self, call: Request) -> dict[str, Any]:
        self.calls.append(call.operation)
        if call.operation == "GetBatch":
            return self.batches[call.members["batchId"]]
        items = [{**batch, "createdAt": batch["creationTime"]} for batch in self.batches.values()]
        return {"items": [item for item in items if item["name"] == call.members["name"]]}

    def find(self, batch_id: str) -> CohortBatches:
        return run_with(self.answer, find_cohort(batch_id))


@pytest.fixture
def service() -> Service:
    return Service()


def test_a_cohort_is_found_from_any_of_its_batches(service: Service) -> None:
    ids = [service.add(generation) for generation in range(3)]
    service.add(0, task="other")
    for batch_id in ids:
        assert service.find(batch_id).ids == ids


def test_a_task_that_was_cleared_after_its_success_has_begun_another(service: Service) -> None:
    first, second = service.add(0), service.add(1, finished=True)
    third, fourth = service.add(2), service.add(3, finished=True)
    assert service.find(first).ids == [first, second]
    assert service.find(second).ids == [first, second]
    assert service.find(third).ids == service.find(fourth).ids == [third, fourth]


def test_a_dag_run_that_was_created_again_has_begun_another(service: Service) -> None:
    first, second = service.add(0, "l1"), service.add(1, "l1")
    third = service.add(0, "l2")
    assert service.find(second).ids == [first, second]
    assert service.find(third).ids == [third]


def test_a_dag_run_that_was_cleared_goes_on_with_the_same(service: Service) -> None:
    # A clear may give the DAG run another key, but the task counts on.
    first, second = service.add(0, "l1"), service.add(1, "l2")
    assert service.find(first).ids == service.find(second).ids == [first, second]


def test_batches_of_0_1_0_are_told_apart_by_their_intent(service: Service) -> None:
    def add(key: str, generation: int) -> str:
        return service.add(0, tags={"airflow-intent": key, "airflow-generation": str(generation)})

    first, _, second = add("a", 0), add("b", 0), add("a", 1)
    assert service.find(second).ids == [first, second]


def test_a_batch_without_tags_is_alone_and_costs_one_call(service: Service) -> None:
    service.add(0)
    assert service.find(service.add(0, tags={})).ids == ["2"]
    assert service.calls == ["GetBatch"]


def test_what_is_older_than_the_first_batch_is_not_looked_at(service: Service) -> None:
    for _ in range(50):
        service.add(0, task="other")
    first, second = service.add(0), service.add(1)
    assert service.find(second).ids == [first, second]
    assert service.calls == ["GetBatch", "ListBatch", "GetBatch"]


def test_the_calls_are_bounded_and_what_was_not_looked_at_is_counted(service: Service) -> None:
    first = service.add(0)
    for _ in range(MOST_SIBLINGS_READ + 20):
        service.add(0, task="other")
    found = service.find(first)
    assert (found.ids, found.unread) == ([first], 21)
    assert len(service.calls) == 2 + MOST_SIBLINGS_READ


def test_counts_are_those_of_the_whole_cohort() -> None:
    first = BatchSnapshot("1", "PROCESSED", total=10, completed=6, failed=3, failed_submissions=1)
    second = BatchSnapshot("2", "PROCESSED", total=3, completed=1, failed=1, cancelled=1)
    third = BatchSnapshot("3", "PROCESSED", total=2, completed=1, failed=1)
    counts = add_up([first, second, third])
    # One that the first could not submit, and that was left out since, counts as failed.
    assert (counts.batch_id, counts.total, counts.completed, counts.not_completed) == ("3", 10, 8, 2)
    assert counts.cohort_batch_ids == ("1", "2", "3")
    assert BatchSnapshot.from_payload(json.loads(json.dumps(counts.to_payload()))) == counts
