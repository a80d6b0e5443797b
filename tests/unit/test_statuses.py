"""Every state that the installed botocore knows has a meaning here."""

from __future__ import annotations

from enum import StrEnum

import pytest

from airflow_provider_omics.healthomics.api.statuses import (
    BatchStatus,
    ConfigurationStatus,
    Phase,
    RunStatus,
    SubmissionStatus,
    TaskStatus,
    classify,
)
from airflow_provider_omics.healthomics.requests.shapes import service_model

ENUMS: list[tuple[str, type[StrEnum]]] = [
    ("RunStatus", RunStatus),
    ("TaskStatus", TaskStatus),
    ("BatchStatus", BatchStatus),
    ("SubmissionStatus", SubmissionStatus),
    ("ConfigurationStatus", ConfigurationStatus),
]


@pytest.mark.parametrize(("shape", "kind"), ENUMS)
def test_our_enums_are_those_of_the_model(shape: str, kind: type[StrEnum]) -> None:
    assert {member.value for member in kind} == set(service_model().shape_for(shape).enum)


@pytest.mark.parametrize(("shape", "kind"), ENUMS)
def test_every_status_of_the_model_is_classified(shape: str, kind: type[StrEnum]) -> None:
    unknown = [status for status in service_model().shape_for(shape).enum if classify(kind, status) is Phase.UNKNOWN]
    assert unknown == []


def test_only_completed_is_a_successful_run() -> None:
    assert [status for status in RunStatus if classify(RunStatus, status) is Phase.SUCCEEDED] == [RunStatus.COMPLETED]


def test_a_processed_batch_is_settled_but_not_a_success() -> None:
    assert classify(BatchStatus, "PROCESSED") is Phase.SETTLED
    assert Phase.SUCCEEDED not in {classify(BatchStatus, status) for status in BatchStatus}


@pytest.mark.parametrize("status", ["", None, "ARCHIVING"])
def test_an_unknown_status_is_waited_on(status: str | None) -> None:
    assert classify(RunStatus, status) is Phase.UNKNOWN
    assert not Phase.UNKNOWN.is_final


def test_a_run_is_waited_on_until_its_outputs_are_exported() -> None:
    waited_on = {status for status in RunStatus if not classify(RunStatus, status).is_final}
    assert waited_on == {RunStatus.PENDING, RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING}
