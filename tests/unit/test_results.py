"""The results table: one row per sample, in the order of the input, whatever became of it."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.healthomics.results.table import (
    COLUMNS,
    NOT_STARTED,
    BatchCounts,
    ResultsTable,
    SampleResult,
    SampleStatus,
    one_line,
)

NOON = datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)
UUID = "0a1b2c3d-0000-4000-8000-000000000001"


def table_with_run(place: str | None = "s3://results/cohort", **members: Any) -> tuple[ResultsTable, SampleResult]:
    """A table of one sample that was submitted as run 100."""
    table = ResultsTable([("a", place)])
    row = SampleResult("a", place.rstrip("/") if place else None, "77", "100", run_status="UNKNOWN", **members)
    table.replace(row)
    return table, row


def read_csv(table: ResultsTable) -> list[dict[str, str | None]]:
    text = "".join(table.csv_lines())
    return [
        {name: value or None for name, value in row.items()} for row in csv.DictReader(io.StringIO(text, newline=""))
    ]


def read_jsonl(table: ResultsTable) -> list[dict[str, str | None]]:
    return [json.loads(line) for line in table.jsonl_lines()]


def test_before_anything_is_known_no_sample_is_submitted() -> None:
    table = ResultsTable([("b", None), ("a", "s3://results")])
    assert [(row.run_setting_id, row.end, row.run_status) for row in table.rows()] == [
        ("b", SampleStatus.NOT_SUBMITTED, NOT_STARTED),
        ("a", SampleStatus.NOT_SUBMITTED, NOT_STARTED),
    ]
    assert table.counts() == BatchCounts(total=2, not_submitted=2)
    assert table.counts().incomplete == 2
    assert not table.active()


@pytest.mark.parametrize(
    ("status", "end", "failure_class"),
    [
        ("PENDING", SampleStatus.UNKNOWN, FailureClass.UNKNOWN),
        ("STARTING", SampleStatus.UNKNOWN, FailureClass.UNKNOWN),
        ("RUNNING", SampleStatus.UNKNOWN, FailureClass.UNKNOWN),
        ("STOPPING", SampleStatus.UNKNOWN, FailureClass.UNKNOWN),
        ("COMPLETED", SampleStatus.COMPLETED, None),
        ("DELETED", SampleStatus.DELETED, FailureClass.UNKNOWN),
        ("CANCELLED", SampleStatus.CANCELLED, FailureClass.CANCELLED),
        ("FAILED", SampleStatus.FAILED, FailureClass.UNKNOWN),
        ("A_NEW_WORD", SampleStatus.UNKNOWN, FailureClass.UNKNOWN),
        (None, SampleStatus.UNKNOWN, FailureClass.UNKNOWN),
    ],
)
def test_every_state_of_a_run_is_an_end_or_none(
    status: str | None, end: SampleStatus, failure_class: FailureClass | None
) -> None:
    table, row = table_with_run()
    table.apply_run(row, {"id": "100"} if status is None else {"id": "100", "status": status})
    assert (row.end, row.failure_class) == (end, failure_class)
    assert row.completed == (end is SampleStatus.COMPLETED)
    assert table.active() == ([row] if end is SampleStatus.UNKNOWN else [])


def test_the_states_above_are_all_states_of_the_service() -> None:
    told = test_every_state_of_a_run_is_an_end_or_none.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {case[0] for case in told} >= {status.value for status in RunStatus}


def test_times_are_shown_in_utc() -> None:
    table, row = table_with_run()
    elsewhere = NOON.astimezone(timezone(timedelta(hours=-7)))
    table.apply_run(row, {"status": "COMPLETED", "startTime": elsewhere, "stopTime": NOON + timedelta(hours=1)})
    assert (row.start_time, row.stop_time) == ("2026-01-01T12:00:00.250+00:00", "2026-01-01T13:00:00.250+00:00")


def test_the_cause_of_a_failure_is_noted_in_one_bounded_line() -> None:
    table, row = table_with_run()
    table.apply_run(row, {"status": "FAILED", "stopTime": NOON})
    message = "Task align failed\n" + "x" * 1000
    table.explain(
        row, {"status": "FAILED", "uuid": UUID, "failureReason": "OUT_OF_MEMORY_ERROR", "statusMessage": message}
    )
    assert (row.failure_code, row.failure_class, row.uuid) == ("OUT_OF_MEMORY_ERROR", FailureClass.WORKFLOW, UUID)
    assert row.failure_message is not None
    assert row.failure_message.startswith("Task align failed xxx")
    assert len(row.failure_message) == 500
    assert row.stop_time == "2026-01-01T12:00:00.250+00:00"


def test_a_list_that_is_read_again_does_not_forget_the_cause() -> None:
    table, row = table_with_run()
    table.explain(row, {"status": "FAILED", "failureReason": "SERVICE_ERROR", "statusMessage": "Sorry"})
    table.apply_run(row, {"status": "FAILED"})
    assert (row.failure_class, row.failure_message) == (FailureClass.TRANSIENT, "Sorry")


@pytest.mark.parametrize(("text", "line"), [(None, None), ("", None), (" \n ", None), ("a\r\n\tb ", "a b")])
def test_messages_become_one_line(text: str | None, line: str | None) -> None:
    assert one_line(text) == line


@pytest.mark.parametrize("place", ["s3://results/cohort", "s3://results/cohort/", "s3://results/cohort//"])
@pytest.mark.parametrize(
    ("shown", "others"),
    [
        ("s3://results/cohort/100", "s3://results/cohort/101"),
        ("s3://results/cohort/100/", "s3://results/cohort/101"),
        (f"s3://results/cohort/100/{UUID}", "s3://results/cohort/101/uuid-b"),
        (f"s3://results/cohort/100/{UUID}/", "s3://results/cohort/101/uuid-b"),
        ("s3://results/elsewhere/100", "s3://results/cohort/101"),
    ],
)
def test_one_shown_output_uri_tells_the_form_of_all(place: str, shown: str, others: str) -> None:
    table = ResultsTable([("a", place), ("b", place), ("c", place), ("d", None)])
    rows = list(table.rows())
    for row, run_id, uuid in zip(rows, ["100", "101", "102", "103"], [UUID, "uuid-b", "uuid-c", "uuid-d"], strict=True):
        row.run_id, row.uuid = run_id, uuid
    table.apply_run(rows[1], {"status": "COMPLETED"})
    table.apply_run(rows[3], {"status": "COMPLETED"})
    assert rows[1].output_uri == "s3://results/cohort/101"
    assert not table.knows_form
    table.explain(rows[0], {"status": "COMPLETED", "runOutputUri": shown})
    assert table.knows_form
    table.apply_run(rows[2], {"status": "COMPLETED"})
    assert [row.output_uri for row in rows] == [shown, others, others.replace("101", "102").replace("-b", "-c"), None]


def test_a_run_without_a_uuid_gets_the_common_part_of_its_output_uri() -> None:
    table = ResultsTable([("a", "s3://results"), ("b", "s3://results")])
    shown, other = table.rows()
    shown.run_id, other.run_id = "100", "101"
    table.explain(shown, {"status": "COMPLETED", "uuid": UUID, "runOutputUri": f"s3://results/100/{UUID}"})
    table.apply_run(other, {"status": "COMPLETED"})
    assert other.output_uri == "s3://results/101"


def test_the_first_shown_output_uri_decides_and_exact_ones_stay() -> None:
    table = ResultsTable([("own", None), ("a", "s3://results"), ("b", "s3://results"), ("c", "s3://results")])
    for number, row in enumerate(table.rows()):
        row.run_id, row.uuid = str(number), f"u{number}"
    own, a, b, c = table.rows()
    table.explain(own, {"status": "COMPLETED", "runOutputUri": "s3://elsewhere/0"})
    table.apply_run(c, {"status": "COMPLETED"})
    table.explain(a, {"status": "COMPLETED", "runOutputUri": "s3://results/1/u1"})
    table.explain(b, {"status": "COMPLETED", "runOutputUri": "s3://results/2"})
    assert [row.output_uri for row in (own, a, b, c)] == [
        "s3://elsewhere/0",
        "s3://results/1/u1",
        "s3://results/2",
        "s3://results/3/u3",
    ]


def test_a_form_without_uuid_is_not_forgotten() -> None:
    table = ResultsTable([("a", "s3://results"), ("b", "s3://results"), ("c", "s3://results")])
    for number, row in enumerate(table.rows()):
        row.run_id, row.uuid = str(number), f"u{number}"
    a, b, c = table.rows()
    table.apply_run(c, {"status": "COMPLETED"})
    table.explain(a, {"status": "COMPLETED", "runOutputUri": "s3://results/0"})
    table.explain(b, {"status": "COMPLETED", "runOutputUri": "s3://results/1/u1"})
    assert [row.output_uri for row in (a, b, c)] == ["s3://results/0", "s3://results/1/u1", "s3://results/2"]


def test_a_run_that_completed_after_all_leaves_no_failure() -> None:
    table, row = table_with_run(failure_message="Not looked up")
    table.apply_run(row, {"status": "COMPLETED"})
    assert (row.failure_message, row.failure_class) == (None, None)


def test_a_row_is_not_set_for_a_sample_outside_the_cohort() -> None:
    with pytest.raises(KeyError, match="stranger"):
        ResultsTable([("a", None)]).replace(SampleResult("stranger"))


def test_the_columns_are_those_that_users_read() -> None:
    assert next(ResultsTable([]).csv_lines()) == (
        "run_setting_id,batch_id,run_id,uuid,arn,submission_status,submission_failure_reason,run_status,"
        "failure_code,failure_class,failure_message,start_time,stop_time,output_uri,run_cache_hits\r\n"
    )


def test_a_sample_that_never_ran_has_a_line_that_says_so() -> None:
    table = ResultsTable([('tumour "1", left', None)])
    assert list(table.csv_lines())[1] == '"tumour ""1"", left",,,,,NOT_SUBMITTED,,NOT_STARTED,,unknown,,,,,\r\n'
    assert read_jsonl(table) == [
        dict.fromkeys(COLUMNS)
        | {
            "run_setting_id": 'tumour "1", left',
            "submission_status": "NOT_SUBMITTED",
            "run_status": "NOT_STARTED",
            "failure_class": "unknown",
        }
    ]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(st.lists(st.fixed_dictionaries({name: TEXT | st.none() for name in COLUMNS if name != "failure_class"})))
def test_what_is_written_reads_back_as_the_rows(values: list[dict[str, str | None]]) -> None:
    for index, members in enumerate(values):
        members["run_setting_id"] = f"{members['run_setting_id']}-{index}"
        members["run_status"] = members["run_status"] or "FAILED"
    table = ResultsTable((str(members["run_setting_id"]), None) for members in values)
    for members in values:
        table.replace(SampleResult(**members))  # type: ignore[arg-type]
    expected = [{**members, "failure_class": "unknown"} for members in values]
    assert read_csv(table) == expected
    assert read_jsonl(table) == expected
    assert [row.to_json() for row in table.rows()] == expected
    # An enum's member would equal its text here and still be something else to XCom.
    assert {type(value) for row in table.rows() for value in row.to_json().values()} <= {str, type(None)}


def test_a_row_with_all_its_members_takes_less_than_1000_bytes() -> None:
    number = 10_000
    tracemalloc.start()
    try:
        table = ResultsTable((f"sample-{n:06d}", f"s3://results/{'cohort'}/2026/") for n in range(number))
        for n, row in enumerate(table.rows()):
            row.run_id, row.arn = str(1_000_000 + n), f"arn:aws:omics:us-east-1:123456789012:run/{1_000_000 + n}"
            row.uuid = f"0a1b2c3d-0000-4000-8000-{n:012d}"
            times = {"startTime": NOON + timedelta(seconds=n), "stopTime": NOON + timedelta(seconds=2 * n)}
            cause = {"failureReason": "RUN_TASK_FAILED", "statusMessage": f"Task align {n:07d}".ljust(120, "x")}
            where = {"runOutputUri": f"s3://results/cohort/2026/{row.run_id}/{row.uuid}"}
            table.explain(row, {"status": "FAILED", **times, **cause, **where})
        taken, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert table.counts().failed == number
    assert taken / number < 1000
