"""A retry policy for tasks of this provider, from Airflow 3.3 on: whether and when a retry helps."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.compat import RetryDecision, RetryPolicy
from airflow_provider_omics.exceptions import OmicsError, retry_may_help
from airflow_provider_omics.healthomics.api.failures import FailureClass

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["OMICS_RETRY_POLICY", "OmicsRetryPolicy"]

_FIRST_DELAY, _LONGEST_DELAY, _QUOTA_DELAY = timedelta(minutes=2), timedelta(minutes=30), timedelta(minutes=15)


class OmicsRetryPolicy(RetryPolicy):
    """Retry what passes by itself, fail at once what no retry mends, and leave the rest to the task's own settings.

    Of the errors of this provider, throttling and faults of the service are retried after 2 minutes, then twice as many
    each time, up to 30; quotas that are used up after 15 minutes. Bad input, missing permissions and faults of the
    workflow are not retried. The task's ``retries`` are the bound.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide what becomes of a task that has failed.

        :param exception: what it failed with.
        :param try_number: which try it was, 1 for the first.
        :param max_tries: how many there may be.
        :param context: the task's.
        """
        if not isinstance(exception, OmicsError):
            return RetryDecision.default()
        failure_class: FailureClass | None = getattr(exception, "failure_class", None)
        why = type(exception).__name__ if failure_class is None else f"{type(exception).__name__}: {failure_class}"
        if not retry_may_help(exception):
            return RetryDecision.fail(f"{why}; no retry mends that")
        if failure_class is FailureClass.TRANSIENT:
            delay = min(_FIRST_DELAY * 2 ** min(try_number - 1, 10), _LONGEST_DELAY)
            return RetryDecision.retry(delay, f"{why}; that passes by itself")
        if failure_class is FailureClass.QUOTA:
            return RetryDecision.retry(_QUOTA_DELAY, f"{why}; room is made by what ends")
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return the policy as JSON values."""
        return {"__type": f"{type(self).__module__}.{type(self).__qualname__}"}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> OmicsRetryPolicy:
        """Return the policy that :meth:`serialize` made JSON of."""
        del data
        return cls()


OMICS_RETRY_POLICY: OmicsRetryPolicy | None = OmicsRetryPolicy() if RetryPolicy is not object else None
"""The policy, for ``retry_policy`` of any task of this provider; None before Airflow 3.3, which knows none."""
