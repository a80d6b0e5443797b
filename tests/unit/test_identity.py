"""The same intent always asks with the same id; another intent, or another generation, never does."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_omics.healthomics.identity import TAG_COUNT, Intent, TaskIdentity
from airflow_provider_omics.healthomics.model import check_request
from airflow_provider_omics.healthomics.requests import fingerprint

TASK = TaskIdentity("cohort", "manual__2026-01-01T00:00:00+00:00", "call_variants", 3)
INTENT = Intent(TASK, "0" * 64)

tasks = st.builds(TaskIdentity, st.text(), st.text(), st.text(), st.integers(-1, 1023))


def test_ids_stay_what_they_are_from_release_to_release() -> None:
    assert INTENT.key == "4fe30a08-9f75-5b80-b4f7-91069eaa6c26"
    assert INTENT.request_id(0) == "2c81f22e-d8c2-5579-91fd-152095202699"


def test_each_part_of_the_identity_makes_another_intent() -> None:
    others = [
        Intent(replace(TASK, dag_id="other"), INTENT.fingerprint),
        Intent(replace(TASK, run_id="other"), INTENT.fingerprint),
        Intent(replace(TASK, task_id="other"), INTENT.fingerprint),
        Intent(replace(TASK, map_index=4), INTENT.fingerprint),
        Intent(TASK, "1" * 64),
    ]
    assert len({intent.key for intent in [INTENT, *others]}) == 6


def test_parts_cannot_run_into_each_other() -> None:
    assert (
        Intent(replace(TASK, dag_id="a", run_id="bc"), "f").key
        != Intent(replace(TASK, dag_id="ab", run_id="c"), "f").key
    )


def test_generations_ask_with_different_ids() -> None:
    assert len({INTENT.request_id(generation) for generation in range(100)}) == 100


def test_name_and_tags_and_request_id_do_not_change_what_is_asked_for() -> None:
    request = {"workflowId": "1", "parameters": {"b": 1, "a": [1, 2]}}
    dressed = {**request, "name": "n", "tags": {"t": "1"}, "requestId": "r", "parameters": {"a": [1, 2], "b": 1}}
    assert fingerprint(request) == fingerprint(dressed)
    assert fingerprint(request) != fingerprint({**request, "parameters": {"b": 1, "a": [2, 1]}})


@given(task=tasks, generation=st.integers(0, 10_000))
def test_whatever_the_task_is_called_the_service_takes_name_tags_and_id(task: TaskIdentity, generation: int) -> None:
    intent = Intent(task, "f")
    request = {
        "workflowId": "1",
        "roleArn": "arn:aws:iam::123456789012:role/omics",
        "outputUri": "s3://bucket/out",
        "name": intent.default_name(),
        "tags": intent.tags(generation),
        "requestId": intent.request_id(generation),
    }
    assert check_request("StartRun", request) == []
    assert len(intent.tags(generation)) == TAG_COUNT


def test_the_default_name_is_readable_and_unique_to_the_intent() -> None:
    assert INTENT.default_name() == f"cohort.call_variants[3]-{INTENT.key[:8]}"
    assert len(Intent(replace(TASK, task_id="x" * 300), "f").default_name()) == 128
