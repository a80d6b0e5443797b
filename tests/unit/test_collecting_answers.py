"""What answers and errors mean that the local server does not give: members that are missing, refusals, mistakes."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from airflow_provider_omics.healthomics.api.calls import run_sync
from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.results.collection import collect_batch, confirm_unsettled, look_up_failures
from airflow_provider_omics.healthomics.results.table import ResultsTable, SampleStatus

NETWORK = EndpointConnectionError(endpoint_url="https://workflows-omics.us-east-1.amazonaws.com")


def error(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "No"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "x")


GONE = error("ResourceNotFoundException", 404)
DENIED = error("AccessDeniedException", 403)
THROTTLED = error("ThrottlingException", 429)


class Service:
    """Stands for AWS: answers every call with what the test says, and notes the call."""

    def __init__(self, **runs: dict[str, Any] | Exception) -> None:
        self.runs = runs
        self.submissions: list[dict[str, Any] | Exception] = []
        self.listed: list[dict[str, Any] | Exception] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def list_runs_in_batch(self, **members: Any) -> Any:
        return self._answer("ListRunsInBatch", members, self.submissions.pop(0))

    def list_runs(self, **members: Any) -> Any:
        return self._answer("ListRuns", members, self.listed.pop(0))

    def get_run(self, **members: Any) -> Any:
        return self._answer("GetRun", members, self.runs[members["id"]])

    def _answer(self, operation: str, members: dict[str, Any], answer: dict[str, Any] | Exception) -> Any:
        self.calls.append((operation, members))
        if isinstance(answer, Exception):
            raise answer
        return answer


def table_of(**runs: str) -> ResultsTable:
    """A table whose samples each have a run, named after the sample, in the state given."""
    service = Service()
    service.submissions = [
        {"runs": [{"runSettingId": sample, "runId": sample, "runInternalUuid": f"uuid-{sample}"} for sample in runs]}
    ]
    service.listed = [{"items": [{"id": sample, "status": status} for sample, status in runs.items() if status]}]
    table = ResultsTable((sample, "s3://results") for sample in runs)
    assert run_sync(service, collect_batch(table, "77", status="PROCESSED"))
    return table


def ends(table: ResultsTable) -> list[SampleStatus]:
    return [row.end for row in table.rows()]


def test_lists_are_asked_with_one_filter_and_pages_of_100() -> None:
    service = Service()
    service.submissions = [{"runs": [{"runSettingId": "a", "runId": "1"}], "nextToken": "more"}, {}]
    service.listed = [{"nextToken": "again"}, {"items": [{"id": "1", "status": "COMPLETED"}]}]
    table = ResultsTable([("a", None)])
    assert run_sync(service, collect_batch(table, "77"))
    assert service.calls == [
        ("ListRunsInBatch", {"batchId": "77", "maxItems": 100}),
        ("ListRunsInBatch", {"batchId": "77", "maxItems": 100, "startingToken": "more"}),
        ("ListRuns", {"batchId": "77", "maxResults": 100}),
        ("ListRuns", {"batchId": "77", "maxResults": 100, "startingToken": "again"}),
    ]
    assert ends(table) == [SampleStatus.COMPLETED]


def test_a_batch_that_goes_while_it_is_listed_keeps_what_was_seen() -> None:
    service = Service()
    service.submissions = [{"runs": [{"runSettingId": "a", "runId": "1"}], "nextToken": "more"}, GONE]
    service.listed = [GONE]
    table = ResultsTable([("a", None), ("b", None)])
    assert not run_sync(service, collect_batch(table, "77", status="PROCESSED"))
    seen, lost = table.rows()
    assert (seen.run_id, seen.active) == ("1", True)
    assert (lost.run_id, lost.run_status, lost.batch_id) == (None, "UNKNOWN", "77")


@pytest.mark.parametrize("refusal", [THROTTLED, DENIED, NETWORK])
def test_a_list_that_cannot_be_read_is_an_error_and_can_be_read_again(refusal: Exception) -> None:
    service = Service()
    table = ResultsTable([("a", None), ("b", None)])
    service.submissions = [{"runs": [{"runSettingId": "a", "runId": "1"}], "nextToken": "more"}, refusal]
    with pytest.raises(type(refusal)):
        run_sync(service, collect_batch(table, "77", status="PROCESSED"))
    service.submissions = [{"runs": [{"runSettingId": sample, "runId": sample} for sample in "ab"]}]
    service.listed = [{"items": [{"id": sample, "status": "COMPLETED"} for sample in "ab"]}]
    assert run_sync(service, collect_batch(table, "77", status="PROCESSED"))
    assert table.counts().completed == 2


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        ({"status": "COMPLETED", "uuid": "uuid-a"}, SampleStatus.COMPLETED),
        ({"status": "COMPLETED"}, SampleStatus.COMPLETED),
        ({"status": "COMPLETED", "uuid": "uuid-a", "batchId": "77"}, SampleStatus.COMPLETED),
        ({"status": "COMPLETED", "uuid": "uuid-b"}, SampleStatus.DELETED),
        ({"status": "COMPLETED", "batchId": "78"}, SampleStatus.DELETED),
        ({"status": "FAILED", "failureReason": "SERVICE_ERROR"}, SampleStatus.FAILED),
        ({"status": "STOPPING"}, SampleStatus.UNKNOWN),
        ({}, SampleStatus.UNKNOWN),
        (GONE, SampleStatus.DELETED),
        (THROTTLED, SampleStatus.UNKNOWN),
        (DENIED, SampleStatus.UNKNOWN),
        (NETWORK, SampleStatus.UNKNOWN),
    ],
)
@pytest.mark.parametrize("listed", ["RUNNING", ""], ids=["listed as active", "not listed"])
def test_a_run_that_was_not_seen_to_end_is_asked_for(
    listed: str, answer: dict[str, Any] | Exception, end: SampleStatus
) -> None:
    table = table_of(a=listed)
    left = run_sync(Service(a=answer), confirm_unsettled(table))
    assert ends(table) == [end]
    assert left == len(table.active()) == (end is SampleStatus.UNKNOWN)


def test_a_run_that_could_not_be_confirmed_says_why_until_it_can() -> None:
    table = table_of(a="RUNNING")
    run_sync(Service(a=DENIED), confirm_unsettled(table))
    (row,) = table.rows()
    assert row.failure_message is not None
    assert row.failure_message.startswith("Not looked up: GetRun for run a failed: AccessDeniedException (HTTP 403)")
    run_sync(Service(a={"status": "COMPLETED"}), confirm_unsettled(table))
    assert (row.end, row.failure_message, row.failure_class) == (SampleStatus.COMPLETED, None, None)


def test_a_look_up_that_went_through_leaves_no_word_of_one_that_did_not() -> None:
    table = table_of(a="RUNNING")
    run_sync(Service(a=THROTTLED), confirm_unsettled(table))
    run_sync(Service(a={"status": "CANCELLED"}), confirm_unsettled(table))
    (row,) = table.rows()
    assert (row.end, row.failure_message) == (SampleStatus.CANCELLED, None)


def test_confirming_stops_at_its_limit_and_at_its_batch() -> None:
    table = table_of(a="RUNNING", b="COMPLETED", c="", d="RUNNING")
    service = Service(a={"status": "COMPLETED"}, c={"status": "COMPLETED"}, d={"status": "COMPLETED"})
    assert run_sync(service, confirm_unsettled(table, "78")) == 0
    assert service.calls == []
    assert run_sync(service, confirm_unsettled(table, "77", limit=2)) == 1
    assert [members["id"] for _, members in service.calls] == ["a", "c"]
    assert [row.run_setting_id for row in table.active("77")] == ["d"]


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (THROTTLED, "Not looked up: GetRun for run a failed: ThrottlingException (HTTP 429)"),
        (DENIED, "Not looked up: GetRun for run a failed: AccessDeniedException (HTTP 403)"),
        (NETWORK, "Not looked up: GetRun for run a failed: EndpointConnectionError"),
        (GONE, "The run was deleted before the cause of its failure was looked up"),
        ({"status": "RUNNING", "uuid": "uuid-x"}, "The run was deleted before the cause of its failure was looked up"),
    ],
)
def test_a_look_up_that_fails_is_noted_and_stops_nothing(answer: dict[str, Any] | Exception, note: str) -> None:
    table = table_of(a="FAILED", b="FAILED")
    cause = {"status": "FAILED", "failureReason": "OUT_OF_MEMORY_ERROR", "runOutputUri": "s3://results/b"}
    assert run_sync(Service(a=answer, b=cause), look_up_failures(table)) == 0
    first, second = table.rows()
    assert (first.end, first.failure_class) == (SampleStatus.FAILED, FailureClass.UNKNOWN)
    assert first.failure_message is not None
    assert first.failure_message.startswith(note)
    assert (second.failure_code, second.failure_class) == ("OUT_OF_MEMORY_ERROR", FailureClass.WORKFLOW)


@pytest.mark.parametrize(("limit", "asked"), [(0, "d"), (1, "ad"), (2, "abd"), (3, "abcd"), (100, "abcd")])
def test_look_ups_stop_at_their_limit(limit: int, asked: str) -> None:
    table = table_of(a="FAILED", b="FAILED", c="FAILED", d="COMPLETED", e="COMPLETED")
    failed = {"status": "FAILED", "failureReason": "RUN_TASK_FAILED"}
    completed = {"status": "COMPLETED", "uuid": "uuid-d", "runOutputUri": "s3://results/d/uuid-d"}
    service = Service(a=failed, b=failed, c=failed, d=completed)
    assert run_sync(service, look_up_failures(table, limit=limit)) == max(0, 3 - limit)
    assert "".join(members["id"] for _, members in service.calls) == asked
    assert [row.output_uri for row in table.rows()][3:] == ["s3://results/d/uuid-d", "s3://results/e/uuid-e"]


def test_a_form_of_output_uris_that_cannot_be_learned_leaves_their_common_part() -> None:
    table = table_of(a="COMPLETED", b="COMPLETED")
    assert run_sync(Service(a=DENIED), look_up_failures(table)) == 0
    assert [row.output_uri for row in table.rows()] == ["s3://results/a", "s3://results/b"]
    assert table.counts().completed == 2


def test_a_cause_that_is_known_is_not_looked_up_again() -> None:
    table = table_of(a="RUNNING")
    ended = {"status": "FAILED", "failureReason": "SERVICE_ERROR", "runOutputUri": "s3://results/a"}
    service = Service(a=ended)
    assert run_sync(service, confirm_unsettled(table)) == 0
    assert run_sync(service, look_up_failures(table)) == 0
    assert len(service.calls) == 1


def test_a_mistake_in_the_code_is_not_taken_for_an_answer() -> None:
    table = table_of(a="RUNNING", b="FAILED")
    service = Service(a=KeyError("mistake"), b=KeyError("mistake"))
    with pytest.raises(KeyError, match="mistake"):
        run_sync(service, confirm_unsettled(table))
    with pytest.raises(KeyError, match="mistake"):
        run_sync(service, look_up_failures(table))
