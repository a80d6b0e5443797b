"""Base of the operators that prune: the plan, its bounds, and the deletions one by one."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_omics.exceptions import non_retryable_errors
from airflow_provider_omics.healthomics.api.calls import Requests, T
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.retrying import Retrying
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError
from airflow_provider_omics.healthomics.polling.engine import RETRY_TIMEOUT
from airflow_provider_omics.healthomics.pruning.candidate import PruneCandidate
from airflow_provider_omics.healthomics.pruning.criteria import CRITERIA, PruneCriteria, criteria_issues, statuses_of
from airflow_provider_omics.healthomics.pruning.plan import Outcome, Protection, PrunePlan, Verdict
from airflow_provider_omics.healthomics.pruning.reading import PruneReader
from airflow_provider_omics.healthomics.requests.identity import namespace_tag
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.watcher.pacing import Pacer
from airflow_provider_omics.hooks.arguments import argument_issues, as_read
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.operators.base import KillableOperator
from airflow_provider_omics.workflows.poll import list_workflows

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_MOST_SHOWN = 20
_KEPT = {
    Outcome.ACTIVE: "has become active, or its cohort goes on",
    Outcome.KEPT: "has come to be protected, or is not meant any more",
}
_LOG_SECONDS = 30.0
_FIRST_DELAY = 1.0


class _KilledError(Exception):
    """The task was killed, and makes no more calls."""


class OmicsPruneOperator(KillableOperator):
    """Base of the operators that delete old records.

    :cvar operation: the API operation that deletes.
    :cvar noun: what is deleted, in the plural.
    :cvar label: the same of one.
    :cvar statuses: in which it can be deleted.
    :cvar reader: reads what may be pruned.
    :param older_than: age, as a timedelta or as ISO 8601 text such as ``P30D``, counted from the end; of a batch that
        was cancelled or FAILED, from that of its last run. None for any age.
    :param status: statuses that are meant, as one or as a list, such as ``["COMPLETED", "FAILED"]``; None for all.
    :param name_pattern: pattern of the name with ``*``, ``?`` and ``[...]``, case-sensitive, such as ``nightly-*``;
        None for any name.
    :param tags: tags that have to be there, as a dict; a value of None stands for any value. None for no tags.
    :param run_group_id: id of the run group, 1 to 18 digits; None for any.
    :param workflow_id: id of the workflow, 1 to 18 digits; None for any.
    :param workflow_name: name of the workflow, which may stand for several; None for any.
    :param protect_for: time since the end, as a timedelta or as ISO 8601 text, for which everything is kept, since a
        later try of its task may look for it; what its task is known to have succeeded with is kept for a day at most.
        Default ``P7D``.
    :param include_untagged: whether what carries no tags of this provider is meant too: made by hand, by other tools,
        or by tasks with ``identity_tags=False``. Default ``False``.
    :param include_other_deployments: whether what other Airflow deployments have started is meant too, and what
        release 0.1.0 has. Default ``False``.
    :param plan_only: whether only the plan is made. Default ``True``.
    :param max_deletions: most records of one call, 1 to 100,000, the oldest first; a batch counts once, whatever its
        runs. Default ``1000``.
    :param plan_uri: ``s3://`` URI of an object that gets the plan as CSV, in place of what is there; None for none.
    :param error_budget: seconds for which errors that pass by themselves (throttling, 5xx, network) are put up with
        in a row, 0 or more. Default ``3600``.
    """

    template_fields: Sequence[str] = (*CRITERIA, "plan_uri", "plan_only", *TEMPLATED)
    template_fields_renderers: ClassVar[dict[str, str]] = {"tags": "json"}
    operation: ClassVar[str]
    noun: ClassVar[str]
    label: ClassVar[str]
    statuses: ClassVar[tuple[str, ...]]
    reader: ClassVar[type[PruneReader]]
    _logged_at = 0.0

    def __init__(
        self,
        *,
        older_than: timedelta | str | None = None,
        status: str | Sequence[str] | None = None,
        name_pattern: str | None = None,
        tags: dict[str, str | None] | None = None,
        run_group_id: str | None = None,
        workflow_id: str | None = None,
        workflow_name: str | None = None,
        protect_for: timedelta | str = "P7D",
        include_untagged: bool | str = False,
        include_other_deployments: bool | str = False,
        plan_only: bool | str = True,
        max_deletions: int | str = 1000,
        plan_uri: str | None = None,
        error_budget: float | str = RETRY_TIMEOUT,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.older_than: timedelta | None = as_read(older_than)
        self.status = status
        self.name_pattern = name_pattern
        self.tags = tags
        self.run_group_id = run_group_id
        self.workflow_id = workflow_id
        self.workflow_name = workflow_name
        self.protect_for: timedelta = as_read(protect_for)
        self.include_untagged: bool = as_read(include_untagged)
        self.include_other_deployments: bool = as_read(include_other_deployments)
        # Not dry_run: that is a method of BaseOperator, which "airflow tasks test --dry-run" calls.
        self.plan_only: bool = as_read(plan_only)
        self.max_deletions: int = as_read(max_deletions)
        self.plan_uri = plan_uri
        self.error_budget: float = as_read(error_budget)
        self._given = [name for name in CRITERIA if getattr(self, name) is not None]
        self.check_literals()

    @classmethod
    def request_issues(cls, plain: Mapping[str, Any], templated: Collection[str] | None) -> Iterable[Issue]:
        """Return what is wrong with criteria that are no templates."""
        unknown = CRITERIA if templated is None else templated
        return criteria_issues(plain, [name for name in unknown if name not in plain], cls.statuses)

    def execute(self, context: Context) -> dict[str, Any]:
        """Make the plan and, unless it is a dry run, delete what it names; return the counts."""
        with non_retryable_errors(self):
            return self.make_request(context)

    def make_request(self, context: Context) -> dict[str, Any]:
        """Do what :meth:`execute` says."""
        self._check()
        now, self._logged_at = time.time(), time.monotonic()
        reader, plan = self._make_plan(now)
        self.write(plan)
        self._log_plan(plan)
        return self._summary(plan) if self.plan_only else self.carry_out(context, plan, reader)

    def _make_plan(self, now: float) -> tuple[PruneReader, PrunePlan]:
        try:
            reader = self.reader(self._criteria(), self._protection(), now, self.log_progress)
            return reader, self.send(reader.plan(self.most_deletions), f"the {self.noun} to prune")
        except _KilledError as killed:
            raise OmicsError("The task was killed while it made its plan: nothing was deleted") from killed
        except OmicsServiceError as error:
            raise _with_remedy(error, "The plan was not made, and nothing was deleted") from error.__cause__

    @abstractmethod
    def carry_out(self, context: Context, plan: PrunePlan, reader: PruneReader) -> dict[str, Any]:
        """Delete what the plan names, and return the counts."""

    @property
    def most_deletions(self) -> int:
        """How many records may be deleted."""
        return self.max_deletions

    @cached_property
    def _pacer(self) -> Pacer:
        try:
            return Pacer(self.hook.call_rates, self._killed.wait)
        except ValueError as error:
            where = "calls_per_second in the connection's service_config, under omics"
            raise OmicsRequestInvalidError(self.operation, [Issue(where, str(error), "Correct it")]) from error

    @cached_property
    def _retrying(self) -> Retrying:
        subject = f"pruning by task {self.task_id}"
        return self.retrying_for(self.error_budget, _FIRST_DELAY, subject, only_transient=True)

    def _check(self) -> None:
        issues = list(argument_issues(self))
        given = {name: getattr(self, name) for name in (*CRITERIA, "plan_uri")}
        # What a template, an XCom or a mapping has made nothing of is not as if it had not been given.
        given.update((name, "") for name in self._meant() if given[name] is None)
        issues += criteria_issues(given, (), self.statuses)
        if issues:
            raise OmicsRequestInvalidError(self.operation, issues)

    def _meant(self) -> Iterable[str]:
        if not getattr(self, "_BaseOperator__from_mapped", False):
            return self._given
        arguments: Mapping[str, Any] = getattr(self, "_BaseOperator__init_kwargs", {})
        return [name for name in CRITERIA if name in arguments]

    def _criteria(self) -> PruneCriteria:
        return PruneCriteria(
            older_than=None if self.older_than is None else self.older_than.total_seconds(),
            statuses=statuses_of(self.status),
            name_pattern=self.name_pattern,
            tags=self.tags or {},
            run_group_id=None if self.run_group_id is None else str(self.run_group_id),
            workflow_ids=self._workflow_ids(),
        )

    def _workflow_ids(self) -> frozenset[str] | None:
        ids = None if self.workflow_id is None else {str(self.workflow_id)}
        if self.workflow_name is None:
            return None if ids is None else frozenset(ids)
        found = self.send(list_workflows(self.workflow_name), f"workflow {self.workflow_name!r}")
        named = {workflow.workflow_id for workflow in found}
        self.log.info("Workflows named %r: %s", self.workflow_name, ", ".join(sorted(named)) or "none")
        return frozenset(named if ids is None else named & ids)

    def _protection(self) -> Protection:
        return Protection(
            namespace_tag(self.hook.namespace),
            self.protect_for.total_seconds(),
            self.include_untagged,
            self.include_other_deployments,
        )

    def send(self, requests: Requests[T], subject: str) -> T:
        """Make requests at the rate of the connection, and put up with errors that pass by themselves."""
        return self.hook.send_requests(self._pacer.pace(requests), subject, retrying=self._unless_killed)

    def _unless_killed(self, call: Callable[[], T]) -> T:
        if self._killed.is_set():
            raise _KilledError
        return self._retrying(call)

    def delete_each(
        self, plan: PrunePlan, reader: PruneReader, delete: Callable[[str], Requests[Outcome | None]]
    ) -> dict[str, Any]:
        """Delete what the plan names, one after the other, unless a task has come to need it; return the counts.

        :param delete: returns the requests that delete one, which come to None if its deletion goes on.
        """
        summary = self._summary(plan)
        going_on = 0
        try:
            for job in plan.deletable:
                outcome = self.delete_one(self._unless_needed(reader, job, delete), job.job_id, summary, going_on)
                if outcome is None:
                    going_on += 1
                else:
                    plan.outcomes[job.job_id] = outcome
        except BaseException:
            # Airflow's timeout of a task is no Exception.
            self.log_outcomes(summary)
            raise
        finally:
            if plan.outcomes:
                self.note_outcomes(lambda: self.write(plan))
        return summary

    def delete_one(
        self, requests: Requests[Outcome | None], job_id: str, summary: dict[str, Any], going_on: int = 0
    ) -> Outcome | None:
        """Make the requests that delete one, and count what became of it.

        :param summary: the counts so far.
        :param going_on: how many the service is deleting already.
        :raises OmicsError: the task was killed.
        :raises OmicsServiceError: the service refused it, or errors have lasted.
        """
        try:
            outcome = self.send(requests, f"{self.label} {job_id}")
        except _KilledError as killed:
            raise OmicsError(f"The task was killed: {self.progress_of(summary, going_on)}") from killed
        except OmicsServiceError as error:
            raise _with_remedy(error, self.progress_of(summary, going_on)) from error.__cause__
        if outcome is not None:
            summary[outcome.value] += 1
            self._log_kept(job_id, outcome, summary)
        self.log_progress(f"of {summary['deletable']:,} {self.noun} done", _done(summary))
        return outcome

    def progress_of(self, summary: Mapping[str, Any], going_on: int = 0) -> str:
        """Return how far the deletion is and how it goes on, in words.

        :param going_on: how many the service is deleting already.
        """
        done, total = _done(summary), summary["deletable"]
        text = f"{done:,} of {total:,} {self.noun} to be deleted are done, {total - done:,} remain"
        if going_on:
            text += f" (the runs of {going_on:,} of these are being deleted by the service, or are by now)"
        return f"{text}; the next try goes on there"

    def note_outcomes(self, write: Callable[[], object]) -> None:
        """Write what became of the plan into its file in S3; what was deleted is deleted, whether or not that works."""
        try:
            write()
        except OmicsServiceError as error:
            self.log.warning("%s", entry("The plan in S3 does not say what became of all: %s", error))

    def _unless_needed(
        self, reader: PruneReader, job: PruneCandidate, delete: Callable[[str], Requests[Outcome | None]]
    ) -> Requests[Outcome | None]:
        kept = yield from reader.confirm(job, time.time())
        return kept or (yield from delete(job.job_id))

    def write(self, plan: PrunePlan) -> None:
        """Write the plan to S3, with its outcomes, if it is wanted there."""
        if self.plan_uri:
            self.hook.storage.write(self.plan_uri, plan.csv_lines(), "text/csv")

    def _log_plan(self, plan: PrunePlan) -> None:
        what = "would be deleted (dry run)" if self.plan_only else "will be deleted"
        self.log.info("%s %s", self.count(len(plan.deletable)), what)
        for line in plan.table(_MOST_SHOWN):
            self.log.info("%s", line)
        for verdict, count in plan.protected.items():
            self.log.info("%s kept: %s", self.count(count), Verdict(verdict).text)
        if plan.unexamined:
            text = "%s not examined, since %s may be deleted at a time: prune again"
            self.log.info(text, self.count(plan.unexamined), f"{self.most_deletions:,}")
        if self.plan_uri:
            self.log.info("The whole plan: %s", self.plan_uri)

    def log_outcomes(self, summary: Mapping[str, Any]) -> None:
        """Log what became of what was to be deleted."""
        text = "Of %s to be deleted, %s deleted, %s gone, %s had become active, %s had come to be protected"
        self.log.info(text, self.count(summary["deletable"]), *(f"{summary[one.value]:,}" for one in Outcome))

    def _log_kept(self, job_id: str, outcome: Outcome, summary: Mapping[str, Any]) -> None:
        if outcome in _KEPT and sum(summary[one.value] for one in _KEPT) <= _MOST_SHOWN:
            self.log.warning("%s %s %s: it is kept", self.label, job_id, _KEPT[outcome])

    def count(self, number: int) -> str:
        """Return so many of them, in words."""
        return f"{number:,} {self.label if number == 1 else self.noun}"

    def _summary(self, plan: PrunePlan) -> dict[str, Any]:
        return {
            "plan_only": self.plan_only,
            "deletable": len(plan.deletable),
            "protected": plan.protected,
            "unexamined": plan.unexamined,
            **plan.counts,
            "plan_uri": self.plan_uri,
        }

    def log_progress(self, what: str, count: int) -> None:
        """Log how far it is, now and then."""
        now = time.monotonic()
        if now - self._logged_at >= _LOG_SECONDS:
            self._logged_at = now
            self.log.info("%s %s", f"{count:,}", what)


def _done(summary: Mapping[str, Any]) -> int:
    return sum(summary[outcome.value] for outcome in Outcome)


def _with_remedy(error: OmicsServiceError, more: str) -> OmicsServiceError:
    found = error.explanation
    return OmicsServiceError(replace(found, remedy=f"{found.remedy}. {more}"))
