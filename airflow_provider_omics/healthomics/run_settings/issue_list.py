"""The list of issues of a cohort's run settings, of which there may be 100,000."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.start_run_batch import START_RUN_BATCH

MAX_KEPT = 100
"""How many problems a message lists; the others are counted."""


class IssueList:
    """All issues that were found: the first in words, the others as a number."""

    def __init__(self) -> None:
        self._kept: list[Issue] = []
        self._total = 0

    def __bool__(self) -> bool:
        return self._total > 0

    def add(self, issue: Issue) -> None:
        """Count an issue, and keep it if it is among the first."""
        self._total += 1
        if len(self._kept) < MAX_KEPT:
            self._kept.append(issue)

    def extend(self, issues: Iterable[Issue]) -> None:
        """Add several issues."""
        for issue in issues:
            self.add(issue)

    def error(self) -> OmicsRequestInvalidError:
        """Return the issues as an exception."""
        return OmicsRequestInvalidError(START_RUN_BATCH, self._kept, self._total)


class UnreadableError(Exception):
    """The rest of the input cannot be read.

    :ivar issue: why, where, and what to do.
    """

    def __init__(self, where: str, what: str, fix: str) -> None:
        super().__init__(where, what, fix)
        self.issue = Issue(where, what, fix)

    def __str__(self) -> str:
        return str(self.issue)
