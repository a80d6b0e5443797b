"""Every documented failure code says what kind it is, who can act, and what to do."""

from __future__ import annotations

import pytest

from airflow_provider_omics.healthomics.failures import KNOWN_CODES, FailureClass, Owner, advise

# https://docs.aws.amazon.com/omics/latest/dev/workflows-run-errors.html
DOCUMENTED = [
    "ASSUME_ROLE_FAILED",
    "CANNOT_START_CONTAINER_ERROR",
    "CANNOT_START_CONTAINER_SIZE_ERROR",
    "ECR_PERMISSION_ERROR",
    "EXPORT_FAILED",
    "FILE_SYSTEM_OUT_OF_SPACE",
    "IMAGE_VERIFICATION_FAILURE",
    "IMPORT_FAILED",
    "INACTIVE_OMICS_STORAGE_RESOURCE",
    "INPUT_URI_NOT_FOUND",
    "INSTANCE_RESERVATION_FAILED",
    "INVALID_ECR_IMAGE_URI",
    "INVALID_TASK_RESOURCE_VALUE",
    "INVALID_URI_INPUT",
    "MODIFIED_INPUT_RESOURCE",
    "OUT_OF_MEMORY_ERROR",
    "RUN_TASK_FAILED",
    "RUN_TIMED_OUT",
    "SERVICE_ERROR",
    "TASK_TIMED_OUT",
    "UNSUPPORTED_INPUT_SIZE",
    "WORKFLOW_RUN_FAILED",
    "WORKFLOW_VER_VALIDATION_FAILED",
    "UNSUPPORTED_GPU_INSTANCE_TYPE",
]


def test_all_documented_codes_are_known() -> None:
    assert len(DOCUMENTED) == 24
    assert set(DOCUMENTED) == KNOWN_CODES


@pytest.mark.parametrize("code", DOCUMENTED)
def test_a_documented_code_is_classified_and_comes_with_advice(code: str) -> None:
    advice = advise(code)
    assert advice.failure_class is not FailureClass.UNKNOWN
    assert advice.owner is not Owner.UNKNOWN
    assert advice.advice.endswith(".")


def test_exactly_the_codes_that_aws_calls_transient_are_retried() -> None:
    retried = {code for code in DOCUMENTED if advise(code).failure_class.retry_may_help}
    assert retried == {"SERVICE_ERROR", "INSTANCE_RESERVATION_FAILED", "MODIFIED_INPUT_RESOURCE"}


@pytest.mark.parametrize("code", ["SOMETHING_NEW", "", None])
def test_an_unknown_code_is_not_taken_for_hopeless(code: str | None) -> None:
    assert advise(code).failure_class is FailureClass.UNKNOWN
    assert advise(code).failure_class.retry_may_help
