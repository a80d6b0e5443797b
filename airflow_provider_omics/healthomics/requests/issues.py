"""What is wrong with a request, and the error that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_omics.healthomics.api.errors import OmicsError


@dataclass(frozen=True)
class Issue:
    """One thing that is wrong with a request.

    :param where: the member, as a path such as ``tags.owner`` or ``inlineSettings[3].runSettingId``.
    :param what: what is wrong with it, with the offending value.
    :param fix: what to do about it.
    """

    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.fix}."


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
