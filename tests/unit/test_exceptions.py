"""The public exceptions, their non-retryable twins, and the names that they had in release 0.1.0."""

from __future__ import annotations

import pickle

import pytest
from airflow.exceptions import AirflowProviderDeprecationWarning
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_omics import exceptions
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError, explain
from airflow_provider_omics.healthomics.batches.deletion import OmicsRunsNotDeletedError
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot
from airflow_provider_omics.healthomics.polling.result import OmicsWaitError, StopReason, WaitResult
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.results.outcome import BatchOutcome, Tolerance
from airflow_provider_omics.healthomics.results.table import BatchCounts
from airflow_provider_omics.healthomics.runs.failure import OmicsRunFailedError, RunFailure
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.local import LocalOmics

RUN = RunSnapshot.of({"id": "1234567", "status": "FAILED", "failureReason": "OUT_OF_MEMORY_ERROR"})
OLD_NAMES = {
    "OmicsBatchFailedForGoodError": "OmicsBatchFailedNonRetryableError",
    "OmicsConnectionNotFoundForGoodError": "OmicsConnectionNotFoundNonRetryableError",
    "OmicsRequestInvalidForGoodError": "OmicsRequestInvalidNonRetryableError",
    "OmicsRunFailedForGoodError": "OmicsRunFailedNonRetryableError",
    "OmicsRunsNotDeletedForGoodError": "OmicsRunsNotDeletedNonRetryableError",
    "OmicsSampleFailedForGoodError": "OmicsSampleFailedNonRetryableError",
    "OmicsServiceForGoodError": "OmicsServiceNonRetryableError",
    "OmicsWaitForGoodError": "OmicsWaitNonRetryableError",
    "failing_at_once": "sensor_errors",
    "failing_fast": "non_retryable_errors",
    "skipping_no_mistakes": "soft_fail_only_for_bad_ends",
    "telling_the_cause": "without_traceback",
}


def errors() -> list[OmicsError]:
    refused = explain(ValueError("no"), "StartRun", "workflow 1234567")
    return [
        OmicsRequestInvalidError("StartRun", [Issue("role_arn", "is missing", "Give it")], 3),
        OmicsServiceError(refused),
        exceptions.OmicsConnectionNotFoundError(refused),
        OmicsRunFailedError(RunFailure(RUN)),
        OmicsRunsNotDeletedError(BatchSnapshot.from_payload({"batch_id": "1234567", "status": "FAILED"})),
        OmicsWaitError(WaitResult(StopReason.ATTEMPTS, RUN, "looked 3 times")),
    ]


@pytest.mark.parametrize("error", errors(), ids=lambda error: type(error).__name__)
def test_an_error_and_its_twin_keep_their_facts_when_they_are_pickled(error: OmicsError) -> None:
    twin = exceptions.non_retryable(error)
    assert isinstance(twin, AirflowFailException)
    assert isinstance(twin, type(error))
    assert type(twin).__name__ == type(error).__name__.removesuffix("Error") + "NonRetryableError"
    assert twin.message() == error.message()
    for one in (error, twin):
        copy = pickle.loads(pickle.dumps(one))
        assert type(copy) is type(one)
        assert vars(copy) == vars(one)
        assert str(copy) == str(one)


def test_what_has_no_twin_stays() -> None:
    error = OmicsError("The trigger ended without an event")
    assert exceptions.non_retryable(error) is error


def test_a_twin_is_its_own_twin() -> None:
    twin = exceptions.non_retryable(errors()[0])
    assert type(exceptions.non_retryable(twin)) is type(twin)


@pytest.mark.parametrize("old", OLD_NAMES)
def test_names_of_0_1_0_are_deprecated_aliases(old: str) -> None:
    with pytest.warns(AirflowProviderDeprecationWarning, match=f"{old} is now called {OLD_NAMES[old]}"):
        assert getattr(exceptions, old) is getattr(exceptions, OLD_NAMES[old])


def test_other_names_are_unknown() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'OmicsNoError'"):
        exceptions.OmicsNoError  # type: ignore[attr-defined]


@pytest.mark.parametrize("former", ["world", "worlds"])
def test_the_local_server_has_its_former_names(former: str) -> None:
    assert isinstance(getattr(LocalOmics, former), property)


def test_facts_of_errors_have_their_former_names() -> None:
    end = WaitResult(StopReason.DEADLINE, RUN)
    outcome = BatchOutcome(("1000001",), "PROCESSED", None, BatchCounts(0), Tolerance(), (), (), is_summary=True)

    with pytest.warns(DeprecationWarning, match="now called snapshot"):
        assert OmicsWaitError(end).end.view is RUN
    with pytest.warns(DeprecationWarning, match="now called failure_details"):
        assert outcome.stories == ()
    with pytest.warns(DeprecationWarning, match="now called is_summary"):
        assert outcome.is_glance is True
