"""What can go wrong, as exceptions that carry their facts as attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.failures import FailureClass
from airflow_provider_omics.healthomics.wrapping import wrap

if TYPE_CHECKING:
    from airflow_provider_omics.healthomics.batch_deletion import UndeletedRun
    from airflow_provider_omics.healthomics.batch_outcome import BatchOutcome
    from airflow_provider_omics.healthomics.batch_views import BatchView
    from airflow_provider_omics.healthomics.model import Issue
    from airflow_provider_omics.healthomics.outcome import FailedTask, RunFailure
    from airflow_provider_omics.healthomics.results import BatchCounts, SampleResult
    from airflow_provider_omics.healthomics.samples import SampleFailure
    from airflow_provider_omics.healthomics.service_errors import Explanation
    from airflow_provider_omics.healthomics.waiting import WaitEnd

_WIDTH = 115


class OmicsError(Exception):
    """Base of everything that this provider raises on purpose; as text it is :meth:`message` in short lines."""

    def __str__(self) -> str:
        kind = type(self)
        # A log has the name of the class in front of the first line.
        name = f"{kind.__module__}.{kind.__qualname__}: "
        return wrap(self.message(), first=_WIDTH - len(name))

    def message(self) -> str:
        """Return cause, place and remedy, in this order, as lines that may be long."""
        return super().__str__()


def message_of(error: BaseException) -> str:
    """Return the text of an error as it is before it is broken into short lines, to make a part of another text."""
    return error.message() if isinstance(error, OmicsError) else str(error)


class OmicsRequestInvalidError(OmicsError, ValueError):
    """A request was refused before it was sent.

    :ivar subject: what was asked for, such as ``StartRun``.
    :ivar issues: what is wrong with it.
    :ivar total: how many problems there are, which may be more than ``issues`` holds.
    """

    def __init__(self, subject: str, issues: Sequence[Issue], total: int | None = None) -> None:
        super().__init__(subject, issues, total)
        self.subject = subject
        self.issues = tuple(issues)
        self.total = len(self.issues) if total is None else total

    def message(self) -> str:
        """Return cause, place and remedy, in this order, as lines that may be long."""
        more = self.total > len(self.issues)
        problems = "1 problem" if self.total == 1 else f"{self.total:,} problems"
        count = f"{problems}, the first {len(self.issues)}:" if more else f"{problems}."
        head = f"{self.subject}: nothing was sent, since the request has {count}"
        return "\n".join([head, *(f"- {issue}" for issue in self.issues)])


class OmicsServiceError(OmicsError):
    """The service, or the way to it, refused a call.

    :ivar code: error code, such as ``AccessDeniedException``.
    :ivar http_status: status of the HTTP answer, if there was one.
    :ivar operation: the API operation.
    """

    def __init__(self, explanation: Explanation) -> None:
        super().__init__(explanation)
        self.code = explanation.code
        self.http_status = explanation.http_status
        self.operation = explanation.operation
        self.failure_class = explanation.failure_class
        self.explanation = explanation

    def message(self) -> str:
        """Return cause, place and remedy, in this order, as lines that may be long."""
        return "\n".join(self.explanation.lines())


class OmicsRunFailedError(OmicsError):
    """A run ended, and not as COMPLETED.

    :ivar failure: the whole story.
    """

    def __init__(self, failure: RunFailure) -> None:
        super().__init__(failure)
        self.failure = failure

    def message(self) -> str:
        """Return cause, place and remedy, in this order, as lines that may be long."""
        return self.failure.describe()

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self.failure.run.run_id

    @property
    def status(self) -> str | None:
        """Status that the run ended with."""
        return self.failure.run.status

    @property
    def failure_code(self) -> str | None:
        """GetRun's ``failureReason``."""
        return self.failure.run.failure_code

    @property
    def failure_class(self) -> FailureClass:
        """What would mend it."""
        return self.failure.advice.failure_class

    @property
    def status_message(self) -> str | None:
        """GetRun's ``statusMessage``."""
        return self.failure.run.status_message

    @property
    def failed_tasks(self) -> tuple[FailedTask, ...]:
        """The failed tasks with the tails of their logs."""
        return self.failure.failed_tasks


class OmicsBatchFailedError(OmicsError):
    """More samples of a cohort than are tolerated did not complete, or their batch did not end as it should.

    :ivar outcome: the whole story.
    """

    def __init__(self, outcome: BatchOutcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome

    def message(self) -> str:
        """Return cause, place and remedy, in this order, as lines that may be long."""
        return self.outcome.describe()

    @property
    def batch_id(self) -> str:
        """Id of the last batch."""
        return self.outcome.batch_id

    @property
    def status(self) -> str | None:
        """Status of the last batch; None if it is gone."""
        return self.outcome.status

    @property
    def counts(self) -> BatchCounts:
        """How many samples came to what."""
        return self.outcome.counts

    @property
    def failure_classes(self) -> dict[str, int]:
        """How many samples failed by which class."""
        return self.outcome.failure_classes

    @property
    def failures(self) -> tuple[SampleResult, ...]:
        """The first samples that did not complete, at most 100."""
        return self.outcome.failures


class OmicsSampleFailedError(OmicsError):
    """A sample of a batch did not become a run, or cannot be followed any more.

    :ivar failure: the whole story.
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


class OmicsRunsNotDeletedError(OmicsError):
    """Runs of a batch could not be deleted.

    :ivar batch: the batch as last seen.
    :ivar undeleted: the first of the runs, with what kept them.
    """

    def __init__(self, batch: BatchView, undeleted: Sequence[UndeletedRun] = ()) -> None:
        super().__init__(batch, undeleted)
        self.batch = batch
        self.undeleted = tuple(undeleted)

    @property
    def batch_id(self) -> str:
        """Id of the batch."""
        return self.batch.batch_id

    def message(self) -> str:
        """Return cause, place and remedy, in this order, as lines that may be long."""
        number = self.batch.failed_deletions or "some"
        head = (
            f"HealthOmics batch {self.batch_id} ended {self.batch.status}: {number} of its runs could not be deleted."
        )
        fix = "What to do: delete them one by one with OmicsDeleteRunOperator, since the service does not try it again."
        return "\n".join([head, *(f"- {run.describe()}" for run in self.undeleted), fix])


class OmicsWaitError(OmicsError):
    """Waiting stopped before what was waited for had come; the run or the batch may go on.

    :ivar end: the end of waiting, with the run, batch or sample as last seen.
    """

    def __init__(self, end: WaitEnd[Any]) -> None:
        super().__init__(end)
        self.end = end

    @property
    def run_id(self) -> str | None:
        """Id of the run, where it was a run."""
        return getattr(self.end.view, "run_id", None)

    @property
    def batch_id(self) -> str | None:
        """Id of the batch, where it was a batch or a sample of one."""
        return getattr(self.end.view, "batch_id", None)

    @property
    def code(self) -> str | None:
        """Code of the error that ended the wait, such as ``AccessDeniedException``, if one did."""
        return self.end.error_code

    def message(self) -> str:
        """Return cause, place and remedy, in this order, as lines that may be long."""
        told = f"Stopped waiting for HealthOmics {self.end.view.label}: {self.end.reason}"
        limit = _LIMITS.get(self.end.why)
        if limit is None:
            return told
        look = f"see what takes so long with: {self.end.view.command}"
        return f"{told.rstrip('.')}.\nWhat to do: raise {limit}, or {look}"


# By the value of the reason for which waiting ended.
_LIMITS = {
    "attempts": "waiter_max_attempts",
    "deadline": "execution_timeout, or the timeout of the sensor",
}
