"""Making calls again that fail, for a worker that has something to gather once a wait is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from airflow_provider_omics.healthomics.api.backoff import Errors, look_again
from airflow_provider_omics.healthomics.api.calls import failed_operation
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.service_errors import (
    ErrorCategory,
    OmicsServiceError,
    categorize,
    concerns_all_calls,
    error_code,
    explain,
    is_from_aws,
)

T = TypeVar("T")

# What S3 says of an object that is not there.
_ABSENT_CODES = frozenset({"NoSuchKey", "404"})


@dataclass
class Retrying:
    """Does something again while it fails, until errors in a row have used up a budget; the same one as waiting has.

    What is not found, and what this provider refuses itself, is not tried again.

    :param error_budget: seconds for which errors are put up with, 0 or more.
    :param delay: seconds of the first pause after an error, at most 30.
    :param pause: sleeps so many seconds and returns whether the task was killed meanwhile.
    :param subject: what it is about, for the log.
    :param renew: has the next call made with another client.
    :param only_passing: whether an error that lasts, and concerns this call alone, is not put up with.
    :param clock: gives seconds that never go back.
    :ivar spent_on: the error that used up the budget; None while it is not used up.
    :ivar is_killed: whether the task was killed during a pause.
    """

    error_budget: float
    delay: float
    pause: Callable[[float], bool]
    log: Log
    subject: str
    renew: Callable[[], None]
    only_passing: bool = False
    clock: Callable[[], float] = time.monotonic
    spent_on: Exception | None = field(default=None, init=False)
    is_killed: bool = field(default=False, init=False)
    _errors: Errors | None = field(default=None, init=False)

    def __call__(self, do: Callable[[], T]) -> T:
        """Do it until it succeeds, and return what it came to; raise its last error."""
        while True:
            try:
                done = do()
            except Exception as error:
                if self.is_killed or not self._puts_up_with(error):
                    raise
            else:
                self._errors = None
                return done

    def lasted(self) -> str:
        """Tell how much of the budget the errors have used up."""
        errors = self._errors or Errors(self.clock())
        return errors.lasted(self.clock(), self.error_budget)

    def _puts_up_with(self, error: Exception) -> bool:
        cause = _cause(error)
        if cause is None or (self.only_passing and not concerns_all_calls(cause)):
            return False
        now = self.clock()
        self._errors = errors = self._errors or Errors(now)
        errors.count += 1
        if errors.are_too_many(now, self.error_budget):
            self.spent_on = error
            return False
        seconds = look_again(self.delay, self.error_budget).seconds(errors.count)
        if errors.count == 1 and not is_from_aws(cause):
            self.log.exception("An error that is not of AWS")
        message, lasted = told_of(error, self.subject), errors.lasted(now, self.error_budget)
        self.log.warning("%s", entry("%s Errors: %s; trying again in %.0f s", message, lasted, seconds))
        if categorize(cause) is ErrorCategory.PERMANENT or concerns_all_calls(cause):
            self.renew()
        self.is_killed = self.pause(seconds)
        return not self.is_killed


def at_once(do: Callable[[], T]) -> T:
    """Do it once, for those who do not try again."""
    return do()


def told_of(error: Exception, subject: str) -> str:
    """Tell an error of a call to the person who has to act."""
    if isinstance(error, OmicsServiceError):
        return error.explanation.describe()
    return explain(error, failed_operation(error) or "The call", subject).describe()


def _cause(error: Exception) -> Exception | None:
    """Return what a call has raised; None if the error says that there is nothing, or was raised on purpose."""
    cause = error.__cause__ if isinstance(error, OmicsServiceError) else error
    if not isinstance(cause, Exception) or isinstance(cause, OmicsError):
        return None
    return None if categorize(cause) is ErrorCategory.NOT_FOUND or error_code(cause) in _ABSENT_CODES else cause
