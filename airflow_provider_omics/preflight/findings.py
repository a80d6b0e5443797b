"""What a preflight finds, and the error that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.requests.issues import Issue

WORKFLOW, CONFIGURATION, CACHE, RUN_GROUP = "workflow", "configuration", "cache", "run_group"
OUTPUT, ROLE, IMAGES, QUOTA, INPUTS = "output", "role", "images", "quota", "inputs"
KINDS = (WORKFLOW, CONFIGURATION, CACHE, RUN_GROUP, OUTPUT, ROLE, IMAGES, QUOTA)
"""The kinds of checks, in the order in which they are made; inputs have a parameter of their own."""


class Verdict(StrEnum):
    """What a check has come to."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One thing that a check has found.

    :param kind: kind of the check, one of :data:`KINDS`.
    :param issue: where it is, what it is, and, unless it is good, what to do about it.
    :param may_pass: whether it may be gone when the task is tried again.
    :param is_refusal: whether a call was refused, or did not get through, as others like it would.
    """

    kind: str
    verdict: Verdict
    issue: Issue = field(repr=False)
    may_pass: bool = False
    is_refusal: bool = False

    def __str__(self) -> str:
        place = f"{self.kind}, {self.issue.where}" if self.issue.where != self.kind else self.kind
        mark = " (unknown)" if self.verdict is Verdict.UNKNOWN else ""
        text = f"{place}{mark}: {self.issue.what}"
        return f"{text}. {self.issue.fix}." if self.issue.fix else text

    def to_payload(self) -> dict[str, str]:
        """Return it as plain values."""
        known = {"where": self.issue.where, "what": self.issue.what, "fix": self.issue.fix}
        return {"kind": self.kind, "verdict": self.verdict.value, **known}


def good(kind: str, where: str, what: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(kind, Verdict.GOOD, Issue(where, what, ""))


def bad(kind: str, where: str, what: str, fix: str, *, may_pass: bool = False) -> Finding:
    """Return that something is wrong."""
    return Finding(kind, Verdict.BAD, Issue(where, what, fix), may_pass)


def unknown(kind: str, where: str, what: str, fix: str, *, may_pass: bool = False, is_refusal: bool = False) -> Finding:
    """Return that something could not be found out."""
    return Finding(kind, Verdict.UNKNOWN, Issue(where, what, fix), may_pass, is_refusal)


class OmicsPreflightError(OmicsError):
    """The preflight found what has to be put right first; nothing was submitted.

    :ivar subject: API operation that it was for, such as ``StartRun``, or ``Preflight``.
    :ivar findings: everything that it is about.
    """

    def __init__(self, subject: str, findings: Sequence[Finding]) -> None:
        super().__init__(subject, findings)
        self.subject = subject
        self.findings = tuple(findings)

    @property
    def retry_may_help(self) -> bool:
        """Whether all of it may be gone when the task is tried again."""
        return all(finding.may_pass for finding in self.findings)

    def message(self) -> str:
        """Return one line for each problem: what, where, and what to do."""
        count = "1 problem" if len(self.findings) == 1 else f"{len(self.findings):,} problems"
        head = f"{self.subject}: nothing was submitted, since the preflight found {count}."
        return "\n".join([head, *(f"- {finding}" for finding in self.findings)])
