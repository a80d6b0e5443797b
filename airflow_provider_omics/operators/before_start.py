"""What is found out before anything is submitted: logged, or refused all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_omics.account.auto_cache import UNKNOWN_CACHE
from airflow_provider_omics.exceptions import OmicsPreflightError, OmicsRequestInvalidError, OmicsServiceError
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.hooks.preflight import run_preflight
from airflow_provider_omics.preflight.findings import INPUTS, OUTPUT, WORKFLOW, Finding, Verdict, bad
from airflow_provider_omics.preflight.levels import Levels
from airflow_provider_omics.workflows.lookup import UNKNOWN_ID

_MOST_GOOD = 20
_PLACEHOLDERS = (("workflowId", UNKNOWN_ID), ("cacheId", UNKNOWN_CACHE))


@dataclass(frozen=True)
class BeforeStart:
    """Checks before something is submitted.

    :param operation: API operation that would be sent.
    :param preflight: the argument of the operator, as it was read.
    """

    hook: OmicsHook
    log: Log
    operation: str
    preflight: str | Mapping[str, str] | None

    def prove(
        self,
        members: Mapping[str, Any],
        runs: int,
        others: Iterable[Callable[[], None]],
        named_workflow: Callable[[], Mapping[str, Any]] = dict,
    ) -> list[Finding]:
        """Return what the preflight found, or raise everything that is refused.

        :param members: members of StartRun that name what is needed.
        :param runs: how many runs would be started.
        :param others: checks beside the preflight, which raise what they find; alone, it is raised as it is.
        :param named_workflow: looks up the members that stand for the name of a workflow; none where none is given.
        :raises OmicsPreflightError: the preflight found what is refused.
        """
        levels = Levels.of(self.preflight)
        found = self._examine(levels, members, runs, named_workflow) if levels.kinds else []
        self._log(levels, found)
        refused = [finding for finding in found if levels.fails(finding)]
        for other in others:
            try:
                other()
            except (OmicsRequestInvalidError, OmicsServiceError) as error:
                if not refused:
                    raise
                refused += _findings(error)
        if refused:
            raise OmicsPreflightError(self.operation, refused)
        return found

    def _examine(
        self, levels: Levels, members: Mapping[str, Any], runs: int, named_workflow: Callable[[], Mapping[str, Any]]
    ) -> list[Finding]:
        found: list[Finding] = []
        # What is looked up or made later has a placeholder until then.
        given = {name: value for name, value in members.items() if (name, value) not in _PLACEHOLDERS}
        try:
            given |= named_workflow()
        except OmicsRequestInvalidError as error:
            found = [bad(WORKFLOW, issue.where, issue.what, issue.fix) for issue in error.issues]
        return found + run_preflight(self.hook, given, runs, levels.kinds)

    def _log(self, levels: Levels, found: list[Finding]) -> None:
        fine = [finding for finding in found if finding.verdict is Verdict.GOOD]
        for finding in fine[:_MOST_GOOD]:
            self.log.info("%s", entry("Preflight: %s", finding))
        if len(fine) > _MOST_GOOD:
            self.log.info("Preflight: %s more are as they should be", f"{len(fine) - _MOST_GOOD:,}")
        for finding in found:
            if levels.warns(finding):
                self.log.warning("%s", entry("Preflight: %s", finding))


def _findings(error: OmicsRequestInvalidError | OmicsServiceError) -> Iterator[Finding]:
    if isinstance(error, OmicsServiceError):
        known = error.explanation
        what = f"{known.operation} came to {known.code} ({known.message})"
        yield bad(OUTPUT, known.subject, what, known.remedy, may_pass=error.failure_class.retry_may_help)
        return
    for issue in error.issues:
        yield bad(INPUTS, issue.where, issue.what, issue.fix)
    if error.total > len(error.issues):
        more = Issue("inputs", f"{error.total - len(error.issues):,} more have problems", "Correct these first")
        yield Finding(INPUTS, Verdict.BAD, more)
