"""Looking for the inputs of a run or a cohort in S3, many side by side, within bounds of calls and time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.calls import run_sync
from airflow_provider_omics.healthomics.api.logger import Log
from airflow_provider_omics.healthomics.api.service_errors import error_code
from airflow_provider_omics.healthomics.requests.input_objects import (
    InputObject,
    InputObjects,
    Presence,
    Sight,
    look_for_input,
)
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.hooks.parallel import in_parallel

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CALLS_AT_A_TIME = 16
"""How many calls are made side by side."""
MOST_KEPT = 100
"""How many problems are kept in words; the others are counted."""

# S3 that answers nothing but errors is not asked for all of 100,000 objects.
_MOST_ERRORS_IN_A_ROW = 50
_SECONDS_BETWEEN_LINES = 30.0


@dataclass
class InputReport:
    """What looking for inputs came to.

    :ivar issues: the first problems, in the order of the input.
    :ivar problems: how many inputs are missing, archived or denied.
    :ivar checked: how many inputs were looked for.
    :ivar unknown: how many of them could not be checked, since the call failed.
    :ivar error: the first error of such a call, and the input that it was for.
    :ivar ended: why not all were looked for; None if all were.
    """

    issues: list[Issue] = field(default_factory=list)
    problems: int = 0
    checked: int = 0
    unknown: int = 0
    error: tuple[Exception, InputObject] | None = None
    ended: str | None = None

    def add(self, given: InputObject, sight: Sight) -> None:
        """Count what one input was found to be."""
        self.checked += 1
        if sight.error is not None:
            self.unknown += 1
            self.error = self.error or (sight.error, given)
        elif sight.presence is not Presence.THERE:
            self.problems += 1
            if len(self.issues) < MOST_KEPT:
                self.issues.append(sight.issue(given.where))


def look_for_inputs(
    client: S3Client,
    objects: InputObjects,
    *,
    seconds: float,
    log: Log,
    is_killed: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
) -> InputReport:
    """Look for each of some inputs: at most two calls each (HeadObject, ListObjectsV2), 16 side by side.

    :param seconds: how long to go on; a call that has begun then is waited for.
    :param is_killed: whether the task was killed, which ends it.
    :param clock: gives seconds that never go back.
    """
    report, began, logged, errors = InputReport(), clock(), clock(), 0

    def check(given: InputObject) -> Sight:
        return run_sync(client, look_for_input(given.uri))

    with closing(in_parallel(check, objects, CALLS_AT_A_TIME)) as sights:
        for given, sight in sights:
            report.add(given, sight)
            errors = errors + 1 if sight.error is not None else 0
            now = clock()
            if now - logged >= _SECONDS_BETWEEN_LINES:
                logged = now
                log.info(
                    "Looked for %s of %s inputs (problems: %s)", *_counts(report.checked, objects, report.problems)
                )
            report.ended = _end(is_killed(), now - began, seconds, errors)
            if report.ended is not None:
                break
    if report.checked == objects.count:
        report.ended = f"no more than {objects.count:,} are looked for" if objects.more else None
    return report


def _counts(checked: int, objects: InputObjects, problems: int) -> tuple[str, str, str]:
    return f"{checked:,}", f"{objects.count:,}", f"{problems:,}"


def _end(killed: bool, lasted: float, seconds: float, errors: int) -> str | None:
    if killed:
        return "the task was killed"
    if lasted >= seconds:
        return f"check_inputs_timeout, {seconds:g} seconds, was over"
    if errors >= _MOST_ERRORS_IN_A_ROW:
        return f"S3 answered {errors} times in a row with nothing but errors"
    return None


def describe_unknown(report: InputReport, objects: InputObjects) -> str | None:
    """Tell which inputs could not be checked, and why; None if all were."""
    total = report.unknown + objects.count - report.checked + objects.more
    if not total:
        return None
    why = [report.ended] if report.ended is not None else []
    if report.error is not None:
        error, given = report.error
        why.append(f"{error_code(error)} for {given.uri!r} ({given.where}): {error}")
    return f"{total:,} of {objects.count + objects.more:,} inputs could not be checked: {'; '.join(why)}"
