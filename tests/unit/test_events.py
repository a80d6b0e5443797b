"""Reading what an EventBridge rule sends, whatever it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_omics.healthomics.api.events import (
    EventFilter,
    EventKind,
    StatusEvent,
    UnreadableEvent,
    known_statuses,
    read_event,
)
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus

RUN_ARN = "arn:aws:omics:us-east-1:123456789012:run/1234567"
BATCH_ARN = "arn:aws-cn:omics:cn-north-1:123456789012:runBatch/7654321"
RUN: dict[str, Any] = {
    "version": "0",
    "id": "64ca0eda-9751-dc55-c41a-1bd50b4fc9b7",
    "detail-type": "Run Status Change",
    "source": "aws.omics",
    "account": "123456789012",
    "time": "2026-03-04T05:06:07Z",
    "region": "us-east-1",
    "resources": [RUN_ARN],
    "detail": {
        "omicsVersion": "1.0.0",
        "arn": RUN_ARN,
        "status": "COMPLETED",
        "uuid": "58ca0eda-0000-0000-0000-1bd50b4fc9b7",
        "runId": "1234567",
        "runName": "liver",
        "runOutputUri": "s3://results/runs/1234567",
        "workflowId": "2222222",
        "workflowName": "read QC",
    },
}
BATCH: dict[str, Any] = {
    **RUN,
    "detail-type": "RunBatch Status Change",
    "region": "cn-north-1",
    "resources": [BATCH_ARN],
    "detail": {
        "arn": BATCH_ARN,
        "batchId": "7654321",
        "status": "PROCESSED",
        "uuid": "b",
        "batchName": "cohort",
        "totalRuns": "3",
        "completedRunCount": "2",
        "failedRunCount": "1",
    },
}


def changed(event: dict[str, Any], detail: dict[str, Any] | None = None, **members: Any) -> str:
    """An event with other members, by their names with underscores; None takes one away."""
    named = {name.replace("_", "-"): value for name, value in members.items()}
    merged = {**event, "detail": {**event["detail"], **(detail or {})}, **named}
    merged["detail"] = {name: value for name, value in merged["detail"].items() if value is not None}
    return json.dumps({name: value for name, value in merged.items() if value is not None})


def read(body: str) -> StatusEvent:
    event = read_event(body)
    assert event is not None
    return event


def test_a_run_s_event_has_everything_that_identifies_it() -> None:
    event = read(json.dumps(RUN))
    assert event.time == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    payload = event.to_payload()
    assert json.loads(json.dumps(payload)) == payload
    assert payload == {
        "event_id": "64ca0eda-9751-dc55-c41a-1bd50b4fc9b7",
        "kind": "run",
        "id": "1234567",
        "arn": RUN_ARN,
        "uuid": "58ca0eda-0000-0000-0000-1bd50b4fc9b7",
        "status": "COMPLETED",
        "name": "liver",
        "time": "2026-03-04T05:06:07+00:00",
        "account": "123456789012",
        "region": "us-east-1",
        "workflow_id": "2222222",
        "run_output_uri": "s3://results/runs/1234567",
        "detail": RUN["detail"],
        "identity": f"{RUN_ARN}/58ca0eda-0000-0000-0000-1bd50b4fc9b7/COMPLETED",
    }


def test_a_batch_s_event_keeps_its_counts_as_they_came() -> None:
    event = read(json.dumps(BATCH))
    assert (event.kind, event.id, event.name, event.region) == (EventKind.BATCH, "7654321", "cohort", "cn-north-1")
    assert (event.detail["totalRuns"], event.detail["failedRunCount"]) == ("3", "1")


def test_an_event_of_an_older_release_has_nothing_but_arn_and_status() -> None:
    body = json.dumps({**RUN, "detail": {"omicsVersion": "1.0.0", "arn": RUN_ARN, "status": "FAILED"}})
    event = read(body)
    assert (event.id, event.status, event.uuid, event.workflow_id) == ("1234567", "FAILED", None, None)
    # The id may be another run's by the time of the next event.
    assert event.identity == f"{RUN_ARN}/{RUN['id']}/FAILED"


def test_what_the_detail_leaves_out_is_taken_from_the_envelope_and_the_arn() -> None:
    event = read(changed(RUN, {"arn": None}, account=None, region=None, time=None))
    assert (event.arn, event.account, event.region, event.time) == (RUN_ARN, "123456789012", "us-east-1", None)


@pytest.mark.parametrize("time", ["yesterday", "0001-01-01T00:00:00+23:59", 5, "2026-13-01T00:00:00Z"])
def test_a_time_that_is_none_does_no_harm(time: Any) -> None:
    assert read(changed(RUN, time=time)).time is None


def test_statuses_come_in_capitals_however_they_are_sent() -> None:
    assert read(changed(RUN, {"status": "completed"})).status == "COMPLETED"


def test_the_same_change_has_one_identity_and_another_change_another() -> None:
    first, again = read(json.dumps(RUN)), read(changed(RUN, id="another"))
    assert first.identity == again.identity
    others = [
        changed(RUN, {"status": "DELETED"}),
        changed(RUN, {"uuid": "another run with this id"}),
        json.dumps(BATCH),
    ]
    assert len({first.identity, *(read(body).identity for body in others)}) == 4


@pytest.mark.parametrize(
    "detail_type", ["Task Status Change", "Workflow Status Change", "Workflow Share Status Change", "New Thing"]
)
def test_other_events_of_healthomics_are_none_of_ours(detail_type: str) -> None:
    assert read_event(changed(RUN, detail_type=detail_type)) is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"source": NaN}', "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "no EventBridge event"),
        (json.dumps({"Type": "Notification", "Message": json.dumps(RUN)}), "raw message delivery"),
        (json.dumps(RUN["detail"]), "input transformer"),
        (changed(RUN, detail_type=7), "no EventBridge event"),
        (changed(RUN, source="aws.s3"), "its source is 'aws.s3'"),
        (changed(RUN, {"arn": None}, resources=None), "names no run"),
        (changed(RUN, {"arn": None}, resources={"0": RUN_ARN}), "names no run"),
        (changed(RUN, {"arn": BATCH_ARN}), "names no run"),
        (changed(BATCH, {"arn": RUN_ARN}), "names no batch"),
        (changed(RUN, {"arn": RUN_ARN + "\x00"}, resources=[]), "names no run"),
        (changed(RUN, {"status": None}), "no detail.status"),
        (changed(RUN, {"status": 3}), "no detail.status"),
        (json.dumps({**RUN, "detail": "text"}), "no detail.status"),
        (changed(RUN, id=None), "no id"),
        (changed(RUN, id="\ud800"), "no id"),
    ],
)
def test_what_is_no_event_says_why(body: str, why: str) -> None:
    with pytest.raises(UnreadableEvent, match=why):
        read_event(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([RUN_ARN, BATCH_ARN]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(st.text() | JSON.map(json.dumps))
def test_no_message_breaks_the_reader(body: str) -> None:
    try:
        found = read_event(body)
    except UnreadableEvent:
        found = None
    assert found is None


@given(
    st.sampled_from([RUN, BATCH]),
    st.dictionaries(st.sampled_from(sorted({*RUN, *BATCH})), JSON, max_size=3),
    st.dictionaries(st.sampled_from(sorted({*RUN["detail"], *BATCH["detail"]})) | st.text(), JSON, max_size=4),
)
def test_whatever_is_read_can_be_stored(event: dict[str, Any], outer: dict[str, Any], inner: dict[str, Any]) -> None:
    try:
        found = read_event(json.dumps({**event, "detail": {**event["detail"], **inner}, **outer}))
    except UnreadableEvent:
        return
    if found is not None:
        stored = json.dumps(found.to_payload(), allow_nan=False, ensure_ascii=False).encode()
        # What a database refuses would stop the triggerer.
        assert b"\\u0000" not in stored.replace(b"\\\\", b"")
        assert found.id in found.arn
        assert found.identity.startswith(found.arn)


def of_run(status: str, workflow_id: str | None = "2222222") -> StatusEvent:
    return read(changed(RUN, {"status": status, "workflowId": workflow_id}))


def of_batch(status: str) -> StatusEvent:
    return read(changed(BATCH, {"status": status}))


def test_by_default_only_ends_pass() -> None:
    runs = {status for status in RunStatus if EventFilter().passes(of_run(status))}
    batches = {status for status in BatchStatus if EventFilter().passes(of_batch(status))}
    assert runs == {"COMPLETED", "FAILED", "CANCELLED"}
    assert batches == {"PROCESSED", "FAILED", "CANCELLED"}
    assert not EventFilter().passes(of_run("A_NEW_WORD"))


def test_a_filter_asks_for_kind_status_and_workflow_together() -> None:
    wanted = EventFilter(frozenset({EventKind.RUN}), frozenset({"FAILED", "RUNNING"}), frozenset({"2222222"}))
    assert [status for status in RunStatus if wanted.passes(of_run(status))] == ["RUNNING", "FAILED"]
    assert not wanted.passes(of_batch("FAILED"))
    assert not wanted.passes(of_run("FAILED", workflow_id="3333333"))
    assert not wanted.passes(of_run("FAILED", workflow_id=None))


def test_every_status_of_the_kinds_can_be_asked_for() -> None:
    assert known_statuses(frozenset({EventKind.RUN})) == sorted(RunStatus)
    assert set(known_statuses(frozenset(EventKind))) == {*RunStatus, *BatchStatus}
