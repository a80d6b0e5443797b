"""One sample of a batch: whether its name can be right, and why it never became a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_omics.healthomics import failures
from airflow_provider_omics.healthomics.batch_requests import inline_setting_shape
from airflow_provider_omics.healthomics.batch_views import BatchView, SampleView
from airflow_provider_omics.healthomics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.failures import FailureAdvice, FailureClass, Owner
from airflow_provider_omics.healthomics.model import Issue, check_request, check_shape, operation_model
from airflow_provider_omics.healthomics.rendering import restore
from airflow_provider_omics.healthomics.requests import as_typed
from airflow_provider_omics.healthomics.statuses import BatchStatus, SubmissionStatus

_LIST = "ListRunsInBatch"

_NOT_IN_BATCH = FailureAdvice(
    "",
    FailureClass.INPUT,
    Owner.DATA,
    "Check run_setting_id, which counts case and spaces, and that batch_id is the batch with this sample.",
)
_BATCH_GONE = FailureAdvice(
    "", FailureClass.UNKNOWN, Owner.UNKNOWN, "Look at the outputs of the batch's runs; without it no sample is found."
)

_NO_BATCH = FailureAdvice(
    "", FailureClass.INPUT, Owner.UNKNOWN, "See the log of that task; once it has started a batch, clear this one."
)


def check_sample(batch_id: Any, run_setting_id: Any, more: Sequence[Issue] = ()) -> tuple[str, str]:
    """Return the ids of a batch and of one of its samples, which the service can have given out and been given.

    :param more: what else is wrong, to be told together.
    :raises OmicsRequestInvalidError: one of them cannot be right.
    """
    shape = operation_model(_LIST).input_shape
    assert shape is not None
    batch = restore(shape.members["batchId"], batch_id)
    # The filter has no bounds of its own.
    own = inline_setting_shape().members["runSettingId"]
    sample = restore(own, run_setting_id)
    issues = [as_typed(issue, shape.members) for issue in check_request(_LIST, {"batchId": batch})]
    issues.extend(check_shape(own, sample, "run_setting_id"))
    if issues or more:
        raise OmicsRequestInvalidError(_LIST, [*issues, *more])
    return str(batch), str(sample)


@dataclass(frozen=True)
class SampleFailure:
    """Why a sample did not become a run, or its run cannot be found any more.

    :param sample: the sample as last seen.
    """

    sample: SampleView

    @property
    def advice(self) -> FailureAdvice:
        """What is known about the cause."""
        return _story(self.sample)[1]

    @property
    def is_mistake(self) -> bool:
        """Whether no batch was asked for the sample, as with an id that is wrong."""
        return self.advice is _NOT_IN_BATCH

    def describe(self) -> str:
        """Return the whole story, for the task's log and its exception."""
        cause, advice = _story(self.sample)
        return (
            f"HealthOmics {self.sample.label} {cause} [{advice.failure_class}; who can act: {advice.owner}].\n"
            f"What to do: {advice.advice}"
        )


def _story(sample: SampleView) -> tuple[str, FailureAdvice]:
    if sample.submission_status is None or sample.batch_is_gone:
        return _without_submission(sample, sample.batch)
    match sample.submission_status:
        case SubmissionStatus.FAILED:
            reason, text = sample.submission_failure_reason, sample.submission_failure_message
            cause = ": ".join(part for part in (reason or "without a reason", text) if part)
            return f"could not be submitted: {cause}", failures.advise_submission(reason)
        case SubmissionStatus.CANCEL_SUCCESS:
            return "was cancelled before it was submitted", failures.CANCELLED
        case SubmissionStatus.DELETE_SUCCESS:
            return "was deleted with the batch's runs", failures.DELETED
    return f"has no run, although its submission is {sample.submission_status}", failures.UNPROVED


def _without_submission(sample: SampleView, batch: BatchView | None) -> tuple[str, FailureAdvice]:
    if not sample.batch_id:
        return "is in no batch, since the task has ended and started none that can be found", _NO_BATCH
    if sample.batch_is_gone:
        return "cannot be followed any more, since the batch was deleted", _BATCH_GONE
    if batch is not None and batch.status == BatchStatus.FAILED:
        why = batch.failure_reason or "without a reason"
        return f"was not submitted, since the batch itself FAILED: {why}", failures.advise_batch(why)
    if batch is not None and batch.status in (BatchStatus.STOPPING, BatchStatus.CANCELLED):
        other = "" if sample.is_listed else ", or is not in it at all"
        return f"was not submitted before the batch was cancelled{other}", failures.CANCELLED
    ended = f"the batch is {batch.status}" if batch else "the batch is over"
    if sample.is_listed:
        return f"was never submitted, and {ended}", failures.NOT_SUBMITTED
    return f"is not in the batch; {ended} and submits no more samples", _NOT_IN_BATCH
