"""What can go wrong, as exceptions that carry their facts as attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.failures import FailureClass

if TYPE_CHECKING:
    from airflow_provider_omics.healthomics.model import Issue
    from airflow_provider_omics.healthomics.outcome import FailedTask, RunFailure
    from airflow_provider_omics.healthomics.service_errors import Explanation
    from airflow_provider_omics.healthomics.waiting import WaitEnd


class OmicsError(Exception):
    """Base of everything that this provider raises on purpose."""


class OmicsRequestInvalidError(OmicsError, ValueError):
    """A request was refused before it was sent.

    :ivar subject: what was asked for, such as ``StartRun``.
    :ivar issues: everything that is wrong with it.
    """

    def __init__(self, subject: str, issues: Sequence[Issue]) -> None:
        super().__init__(subject, issues)
        self.subject = subject
        self.issues = tuple(issues)

    def __str__(self) -> str:
        head = f"{self.subject}: nothing was sent, since the request has {len(self.issues)} problem(s)."
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

    def __str__(self) -> str:
        return self.explanation.describe()


class OmicsRunFailedError(OmicsError):
    """A run ended, and not as COMPLETED.

    :ivar failure: the whole story.
    """

    def __init__(self, failure: RunFailure) -> None:
        super().__init__(failure)
        self.failure = failure

    def __str__(self) -> str:
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


class OmicsWaitError(OmicsError):
    """Waiting for a run stopped before the run did; the run may go on.

    :ivar end: the end of waiting, with the run as last seen.
    """

    def __init__(self, end: WaitEnd) -> None:
        super().__init__(end)
        self.end = end

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self.end.run_id

    @property
    def code(self) -> str | None:
        """Code of the error that ended the wait, such as ``AccessDeniedException``, if one did."""
        return self.end.error_code

    def __str__(self) -> str:
        return f"Stopped waiting for HealthOmics run {self.run_id}: {self.end.reason}"
