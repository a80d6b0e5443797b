"""The same intent always asks with the same id; another intent, or another generation, never does."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_omics.healthomics.requests.identity import (
    FINISHED_TAG,
    TAG_COUNT,
    DagRunLife,
    JobKey,
    Owner,
    TaskIdentity,
)
from airflow_provider_omics.healthomics.requests.shapes import check_request
from airflow_provider_omics.healthomics.requests.start_run import fingerprint
from airflow_provider_omics.healthomics.requests.start_run_batch import defaults_fingerprint
from airflow_provider_omics.healthomics.run_settings.cohort import setting_digest

TASK = TaskIdentity("cohort", "manual__2026-01-01T00:00:00+00:00", "call_variants", 3)
INTENT = JobKey(TASK, "0" * 64)

tasks = st.builds(TaskIdentity, st.text(), st.text(), st.text(), st.integers(-1, 1023))


def test_ids_stay_what_they_are_from_release_to_release() -> None:
    assert INTENT.key == "4fe30a08-9f75-5b80-b4f7-91069eaa6c26"
    assert INTENT.request_id(0) == "2c81f22e-d8c2-5579-91fd-152095202699"


def test_each_part_of_the_identity_makes_another_intent() -> None:
    others = [
        JobKey(replace(TASK, dag_id="other"), INTENT.fingerprint),
        JobKey(replace(TASK, dag_run_id="other"), INTENT.fingerprint),
        JobKey(replace(TASK, task_id="other"), INTENT.fingerprint),
        JobKey(replace(TASK, map_index=4), INTENT.fingerprint),
        JobKey(TASK, "1" * 64),
    ]
    assert len({intent.key for intent in [INTENT, *others]}) == 6


def test_parts_cannot_run_into_each_other() -> None:
    assert (
        JobKey(replace(TASK, dag_id="a", dag_run_id="bc"), "f").key
        != JobKey(replace(TASK, dag_id="ab", dag_run_id="c"), "f").key
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
    intent = JobKey(task, "f")
    request = {
        "workflowId": "1",
        "roleArn": "arn:aws:iam::123456789012:role/omics",
        "outputUri": "s3://bucket/out",
        "name": intent.default_name(),
        "tags": intent.tags(generation),
        "requestId": intent.request_id(generation),
    }
    assert check_request("StartRun", request) == []
    assert len({**intent.tags(generation), FINISHED_TAG: "1"}) == TAG_COUNT


def test_the_default_name_is_readable_and_unique_to_the_intent() -> None:
    assert INTENT.default_name() == f"cohort.call_variants[3]-{INTENT.key[:8]}"
    assert len(JobKey(replace(TASK, task_id="x" * 300), "f").default_name()) == 128


def test_every_deployment_asks_with_ids_and_names_of_its_own() -> None:
    intents = [replace(INTENT, namespace=namespace) for namespace in ("", "prod", "test")]
    assert len({intent.key for intent in intents}) == 3
    assert len({intent.task_key for intent in intents}) == 3
    assert len({intent.request_id(0) for intent in intents}) == 3
    assert len({intent.default_name() for intent in intents} | {intent.task_name() for intent in intents}) == 6
    assert [intent.key_of_0_1_0 for intent in intents] == [INTENT.key] * 3


def test_every_life_of_a_dag_run_asks_with_ids_of_its_own_under_one_name() -> None:
    lives = [DagRunLife.of(facts, is_certain=True, since=0.0) for facts in (["a"], ["b"], ["a", "b"])]
    intents = [INTENT, *(replace(INTENT, dag_run=life) for life in lives)]
    assert len({intent.request_id(0) for intent in intents}) == 4
    assert len({intent.task_name() for intent in intents}) == 1


def test_the_name_of_a_run_with_tags_stays_whatever_it_computes() -> None:
    other = replace(INTENT, fingerprint="1" * 64)
    assert other.task_name() == INTENT.task_name() != INTENT.default_name()
    assert other.owner(INTENT.tags(0), "any") is Owner.OTHER_REQUEST
    assert INTENT.owner(INTENT.tags(0), "any") is Owner.SAME_REQUEST


def test_members_that_do_not_say_what_is_computed_are_the_same_for_runs_and_batches() -> None:
    request = {"workflowId": "1", "parameters": {"a": 1}}
    for name in ("roleArn", "priority", "runGroupId", "logLevel", "retentionMode", "sessionPolicy", "name"):
        dressed = {**request, name: "x"}
        assert fingerprint(dressed) == fingerprint(request) == defaults_fingerprint(dressed)
        assert setting_digest(dressed) == setting_digest(request)
    for name in ("workflowVersionName", "outputUri", "storageType", "cacheId"):
        assert fingerprint({**request, name: "x"}) != fingerprint(request)
