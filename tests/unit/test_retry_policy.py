"""When a task is tried again, by what it failed with."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_omics.exceptions import (
    OmicsError,
    OmicsRequestInvalidError,
    OmicsRunFailedError,
    OmicsServiceError,
)
from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.api.service_errors import explain
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.runs.failure import RunFailure
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.retry_policy import OMICS_RETRY_POLICY

policy: Any = OMICS_RETRY_POLICY
pytestmark = pytest.mark.skipif(policy is None, reason="Airflow knows no retry policies before 3.3")


def refused(code: str, status: int) -> OmicsServiceError:
    error = ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "StartRun")  # type: ignore[typeddict-item]
    return OmicsServiceError(explain(error, "StartRun", "workflow 1234567"))


def failed(code: str) -> OmicsRunFailedError:
    return OmicsRunFailedError(RunFailure(RunSnapshot("7654321", status="FAILED", failure_code=code)))


def decided(error: BaseException, try_number: int = 1) -> tuple[str, timedelta | None]:
    decision = policy.evaluate(error, try_number, 5)
    return decision.action.value, decision.retry_delay


@pytest.mark.parametrize(
    "error",
    [
        OmicsRequestInvalidError("StartRun", [Issue("role_arn", "is missing", "Give one")]),
        refused("AccessDeniedException", 403),
        refused("ValidationException", 400),
        failed("RUN_TASK_FAILED"),
        failed("INPUT_URI_NOT_FOUND"),
    ],
    ids=lambda error: getattr(error, "code", None) or type(error).__name__,
)
def test_what_no_retry_mends_fails_at_once(error: OmicsError) -> None:
    action, _ = decided(error)
    assert action == "fail"
    assert "no retry mends that" in policy.evaluate(error, 1, 5).reason


@pytest.mark.parametrize("error", [refused("ThrottlingException", 429), refused("InternalServerException", 500)])
def test_throttling_and_faults_of_the_service_are_retried_later_and_later(error: OmicsError) -> None:
    assert error.failure_class is FailureClass.TRANSIENT  # type: ignore[attr-defined]
    delays = [decided(error, number) for number in (1, 2, 3, 9)]
    assert delays == [("retry", timedelta(minutes=minutes)) for minutes in (2, 4, 8, 30)]


def test_a_quota_that_is_used_up_takes_longer() -> None:
    assert decided(refused("ServiceQuotaExceededException", 402)) == ("retry", timedelta(minutes=15))


@pytest.mark.parametrize("error", [ValueError("x"), OmicsError("the trigger failed")])
def test_all_else_is_left_to_the_task(error: BaseException) -> None:
    assert decided(error) == ("default", None)


def test_a_policy_goes_through_json() -> None:
    assert type(policy).deserialize(policy.serialize()).evaluate(ValueError(), 1, 1).action.value == "default"


def test_a_task_takes_it() -> None:
    from airflow_provider_omics.operators.run import OmicsStartRunOperator

    arguments: dict[str, Any] = {"retry_policy": policy}
    task = OmicsStartRunOperator(
        task_id="run",
        workflow_id="1",
        role_arn="arn:aws:iam::123456789012:role/omics",
        output_uri="s3://bucket/out",
        **arguments,
    )
    assert task.has_retry_policy
