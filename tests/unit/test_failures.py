"""Every documented failure code says what kind it is, who can act, and what to do."""

from __future__ import annotations

import pytest

from airflow_provider_omics.healthomics.api.failures import (
    CANCELLED,
    KNOWN_CODES,
    PERMANENT_CODES,
    FailureClass,
    Owner,
    advise,
    advise_batch,
    advise_submission,
)

# https://docs.aws.amazon.com/omics/latest/dev/workflows-run-errors.html and the API reference
DOCUMENTED = [
    "ALL_PROFILES_INSTANCE_RESERVATION_FAILED",
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
    "INVALID_RUN_PARAMETERS",
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
    assert len(DOCUMENTED) == 26
    assert set(DOCUMENTED) == KNOWN_CODES


@pytest.mark.parametrize("code", DOCUMENTED)
def test_a_documented_code_is_classified_and_comes_with_advice(code: str) -> None:
    advice = advise(code)
    assert advice.failure_class is not FailureClass.UNKNOWN
    assert advice.owner is not Owner.UNKNOWN
    assert advice.advice.endswith(".")


def test_exactly_the_codes_that_aws_calls_transient_are_retried() -> None:
    retried = {code for code in DOCUMENTED if advise(code).failure_class.retry_may_help}
    assert retried == {
        "SERVICE_ERROR",
        "INSTANCE_RESERVATION_FAILED",
        "ALL_PROFILES_INSTANCE_RESERVATION_FAILED",
        "MODIFIED_INPUT_RESOURCE",
    }


def test_what_no_retry_mends_is_no_transient_failure_and_has_a_code_that_is_known() -> None:
    assert {"ResourceNotFoundException", "ValidationException"} == PERMANENT_CODES - KNOWN_CODES
    for code in PERMANENT_CODES:
        told = advise(code) if code in KNOWN_CODES else advise_submission(code)
        assert told.is_permanent
        assert told.failure_class in (FailureClass.INPUT, FailureClass.WORKFLOW)
    assert not any(advise(code).is_permanent for code in (*KNOWN_CODES - PERMANENT_CODES, "SOMETHING_NEW", None))


@pytest.mark.parametrize("code", ["SOMETHING_NEW", "", None])
def test_an_unknown_code_is_not_taken_for_hopeless(code: str | None) -> None:
    assert advise(code).failure_class is FailureClass.UNKNOWN
    assert advise(code).failure_class.retry_may_help


# https://docs.aws.amazon.com/omics/latest/dev/workflows-batch.html
@pytest.mark.parametrize(
    ("reason", "failure_class"),
    [
        ("ValidationException", FailureClass.INPUT),
        ("ResourceNotFoundException", FailureClass.INPUT),
        ("AccessDeniedException", FailureClass.PERMISSION),
        ("ServiceQuotaExceededException", FailureClass.QUOTA),
        ("ThrottlingException", FailureClass.TRANSIENT),
        ("RequestTimeoutException", FailureClass.TRANSIENT),
        ("InternalServerException", FailureClass.TRANSIENT),
        ("ConflictException", FailureClass.TRANSIENT),
    ],
)
def test_a_documented_reason_of_a_failed_submission_is_classified(reason: str, failure_class: FailureClass) -> None:
    told = advise_submission(reason)
    assert (told.code, told.failure_class) == (reason, failure_class)
    assert told.owner is not Owner.UNKNOWN
    assert told.advice.endswith(".")


@pytest.mark.parametrize("reason", ["SomethingNewException", "", None])
def test_an_unknown_reason_of_a_failed_submission_may_be_tried_again(reason: str | None) -> None:
    assert advise_submission(reason).failure_class is FailureClass.UNKNOWN
    assert advise_submission(reason).failure_class.retry_may_help


@pytest.mark.parametrize(
    ("text", "failure_class", "advice"),
    [
        ("Batch has 100001 runs but 100000 runs is the max.", FailureClass.INPUT, "Split the cohort"),
        ("Expected 3 unique runSettingIds but there were 2", FailureClass.INPUT, "id of its own"),
        ("Invalid JSON in run configurations: Extra data", FailureClass.INPUT, "JSON array"),
        ("The run configurations contain invalid json", FailureClass.INPUT, "JSON array"),
        ("Expected etag abc but it was def. Retry the batch.", FailureClass.INPUT, "as it is"),
        ("A transient error occurred. Retry the batch.", FailureClass.TRANSIENT, "again"),
        ("Something is wrong, please try again later", FailureClass.TRANSIENT, "again"),
        ("Something is wrong with your entryType", FailureClass.UNKNOWN, "reason"),
        ("", FailureClass.UNKNOWN, "reason"),
        (None, FailureClass.UNKNOWN, "reason"),
    ],
)
def test_the_text_of_a_failed_batch_is_classified(text: str | None, failure_class: FailureClass, advice: str) -> None:
    told = advise_batch(text)
    assert told.failure_class is failure_class
    assert advice in told.advice


def test_what_was_cancelled_may_be_tried_again() -> None:
    assert CANCELLED.failure_class.retry_may_help
