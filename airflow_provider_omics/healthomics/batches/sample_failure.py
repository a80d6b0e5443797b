"""One sample of a batch: whether its name can be right, and why it never became a run."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_omics.healthomics.api import failures
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.failures import FailureAdvice, FailureClass, Owner
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, SubmissionStatus
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot, SampleSnapshot

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


@dataclass(frozen=True)
class SampleFailure:
    """Why a sample did not become a run, or its run cannot be found any more.

    :param sample: the sample as last seen.
    """

    sample: SampleSnapshot

    @property
    def advice(self) -> FailureAdvice:
        """What is known about the cause."""
        return _cause_and_advice(self.sample)[1]

    @property
    def is_mistake(self) -> bool:
        """Whether no batch was asked for the sample, as with an id that is wrong."""
        return self.advice is _NOT_IN_BATCH

    def describe(self) -> str:
        """Return cause and remedy, for the task's log and its exception."""
        cause, advice = _cause_and_advice(self.sample)
        return (
            f"HealthOmics {self.sample.label} {cause} [{advice.failure_class}; who can act: {advice.owner}].\n"
            f"What to do: {advice.advice}"
        )


def _cause_and_advice(sample: SampleSnapshot) -> tuple[str, FailureAdvice]:
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


def _without_submission(sample: SampleSnapshot, batch: BatchSnapshot | None) -> tuple[str, FailureAdvice]:
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


class OmicsSampleFailedError(OmicsError):
    """A sample of a batch did not become a run, or cannot be followed any more.

    :ivar failure: the sample, with cause and advice.
    """

    def __init__(self, failure: SampleFailure) -> None:
        super().__init__(failure)
        self.failure = failure

    def message(self) -> str:
        """Return cause, place and remedy, in this order, as lines that may be long."""
        return self.failure.describe()

    @property
    def batch_id(self) -> str:
        """Id of the batch."""
        return self.failure.sample.batch_id

    @property
    def run_setting_id(self) -> str:
        """The sample."""
        return self.failure.sample.run_setting_id

    @property
    def failure_code(self) -> str | None:
        """ListRunsInBatch's ``submissionFailureReason``."""
        return self.failure.sample.submission_failure_reason

    @property
    def failure_class(self) -> FailureClass:
        """What would mend it."""
        return self.failure.advice.failure_class
