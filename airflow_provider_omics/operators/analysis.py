"""Operator that analyses what the tasks of runs reserved and used."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.exceptions import non_retryable_errors
from airflow_provider_omics.healthomics.api.counting import counted
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.statuses import RunStatus, classify
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.literal_requests import id_issues
from airflow_provider_omics.healthomics.requests.s3_uris import place_issues
from airflow_provider_omics.healthomics.results.table import SampleStatus
from airflow_provider_omics.hooks.arguments import argument_issues, as_read
from airflow_provider_omics.hooks.object_settings import ObjectSettings
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.jobs.use_reader import CallsUsedUp, RunUseReader
from airflow_provider_omics.jobs.workflow_engines import WorkflowEngines
from airflow_provider_omics.links.omics import ANALYSIS_LINKS, store_analysis_links
from airflow_provider_omics.operators.base import KillableOperator
from airflow_provider_omics.operators.cohort_report import console_of, task_facts, title_of
from airflow_provider_omics.report.model import Report, ReportSample, RunDetails
from airflow_provider_omics.report.page import CONTENT_TYPE, render
from airflow_provider_omics.usage.analysis import COLUMNS, RunAnalysis
from airflow_provider_omics.usage.choice import take_by_chance
from airflow_provider_omics.usage.records import RunRecord

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_OPERATION = "GetLogEvents"
_AUTO = "auto"
_ERROR_BUDGET, _DELAY = 600.0, 5.0
_LOG_SECONDS = 60.0
_MOST_NAMED = 20
# What each kind of ids is called in the API: operation, member, and what one of them is called.
_KINDS = {"run_ids": ("GetRun", "id"), "batch_ids": ("ListRunsInBatch", "batchId")}

_SEED = "analysis"

Ids = Iterable[str] | str | None
# The sample that a run is of, if any, its id, and what gives the run, or None if it is gone.
_Given = tuple[str | None, str, Callable[[], RunRecord | None]]


@dataclass
class _Seen:
    """What was seen: runs, the tasks of those that tell them, and how many have no manifest, or tell nothing.

    :ivar left_out: how many runs were not read, since so many were not asked for.
    """

    details: RunDetails
    samples: list[ReportSample] = field(default_factory=list)
    without_manifest: int = 0
    missing: int = 0
    left_out: int = 0


class OmicsAnalyzeRunsOperator(KillableOperator):
    """Analyse what the tasks of runs reserved and used, by the name of the task, and recommend what they need.

    Reads the manifest of each run, which the service writes to CloudWatch Logs after the run's end; of a run without
    one, ListRunTasks says what its tasks reserved and how long they took. Runs that go on, or that were deleted, are
    counted as missing. Writes a table with one row per task as CSV, the same as JSON beside it, and a report on the
    runs as one HTML page.

    Returns ``results_uri`` (the table as CSV), ``results_json_uri``, ``report_uri``, ``runs`` (how many were analysed),
    ``runs_without_manifest``, ``runs_missing``, ``runs_left_out`` (by ``analysis_runs_limit``) and ``tasks`` (how many
    names of tasks there are).

    See https://docs.aws.amazon.com/omics/latest/dev/monitoring-cloudwatch-logs.html

    :param results_uri: where the table goes: an ``s3://`` URI that ends in ``.csv``, or a folder, in which it is
        ``analysis.csv``; it is written over. A small object is written there first, and deleted if that is allowed.
        Required.
    :param run_ids: ids of runs: a list, or one; None for none. Runs of ``batch_ids`` count once.
    :param batch_ids: ids of batches whose runs are analysed: a list, or one; None for none.
    :param headroom: what is added to the most that an attempt of a task used, as a share of it, 0 to 10. Default
        ``0.2``.
    :param snippet_engine: the language of the snippets: ``WDL``, ``NEXTFLOW`` or ``CWL``; ``auto`` for that of each
        run's workflow. It also says how calls, shards and tries of a task are named. Default ``auto``.
    :param report: whether the report is written beside the table, as ``.html``: timelines, the critical path of the run
        that took longest, durations, failures by class. Default ``True``.
    :param analysis_runs_limit: most runs that are read, 1 or more; of more than that so many are taken by chance, the
        same ones each time, which is logged. None, the default, for all.
    :param usage_calls_limit: most calls, 0 or more; runs beyond it are not analysed, which is logged. A run takes two
        calls, or more with thousands of tasks. Default ``10000``.
    :param s3_kms_key_id: id, ARN or alias of the KMS key that the task encrypts with what it writes to ``results_uri``;
        the default is the bucket's own encryption.
    :param s3_bucket_key_enabled: whether an S3 Bucket Key is used with it; the default is the bucket's setting.
    :param s3_expected_bucket_owner: account id (12 digits) that the bucket of ``results_uri`` must belong to; S3
        refuses every call of the task that concerns another's.
    :param s3_requester_pays: whether this account pays for what the task writes to a bucket that uses Requester Pays.
        Default ``False``.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    operator_extra_links = ANALYSIS_LINKS
    template_fields: Sequence[str] = (
        "run_ids",
        "batch_ids",
        "results_uri",
        "headroom",
        "snippet_engine",
        "analysis_runs_limit",
        "usage_calls_limit",
        "s3_kms_key_id",
        "s3_bucket_key_enabled",
        "s3_expected_bucket_owner",
        "s3_requester_pays",
        *TEMPLATED,
    )

    def __init__(
        self,
        *,
        results_uri: str,
        run_ids: Ids = None,
        batch_ids: Ids = None,
        headroom: float | str = 0.2,
        snippet_engine: str = _AUTO,
        report: bool | str = True,
        analysis_runs_limit: int | str | None = None,
        usage_calls_limit: int | str = 10_000,
        s3_kms_key_id: str | None = None,
        s3_bucket_key_enabled: bool | str | None = None,
        s3_expected_bucket_owner: str | None = None,
        s3_requester_pays: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.results_uri = results_uri
        self.run_ids = run_ids
        self.batch_ids = batch_ids
        self.headroom: float = as_read(headroom)
        self.snippet_engine = snippet_engine
        self.report: bool = as_read(report)
        self.analysis_runs_limit: int | None = as_read(analysis_runs_limit)
        self.usage_calls_limit: int = as_read(usage_calls_limit)
        self.s3_kms_key_id = s3_kms_key_id
        self.s3_bucket_key_enabled: bool | None = as_read(s3_bucket_key_enabled)
        self.s3_expected_bucket_owner = s3_expected_bucket_owner
        self.s3_requester_pays: bool = as_read(s3_requester_pays)
        self.check_literals()

    @classmethod
    def request_issues(cls, plain: Mapping[str, Any], templated: Collection[str] | None) -> Iterable[Issue]:
        """Return what is wrong with the arguments whatever their templates come to."""
        if "results_uri" in plain:
            yield from place_issues("results_uri", plain["results_uri"], "s3://my-bucket/analysis")
        if templated is not None and not any(plain.get(name) or name in templated for name in _KINDS):
            yield Issue("run_ids", "neither run_ids nor batch_ids is given", "Give the runs or batches to analyse")
        for name in _KINDS:
            yield from _ids_issues(name, plain.get(name))

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the manifests, write the table, and return where it is."""
        with non_retryable_errors(self):
            self._check()
            self.hook.object_settings = ObjectSettings.of(self)
            self.hook.storage.prove_writable(f"{self._stem}.write-test")
            seen = self._analysed()
            if not seen.details.analysis.runs:
                raise OmicsError(
                    f"There is nothing to analyse: of {len(seen.samples):,} runs none tells of its tasks. They go on, "
                    "or were deleted. What to do: wait until the runs have ended, and check the ids, the connection's "
                    "account and its Region"
                )
            written = self._write(seen.details.analysis)
            report_uri = self._write_report(context, seen) if self.report else None
            store_analysis_links(context, self, self.hook, written["results_uri"], report_uri)
            return {
                **written,
                "report_uri": report_uri,
                "runs": seen.details.analysis.runs,
                "runs_without_manifest": seen.without_manifest,
                "runs_missing": seen.missing,
                "runs_left_out": seen.left_out,
            }

    @property
    def _stem(self) -> str:
        uri = self.results_uri
        return uri.removesuffix(".csv") if uri.endswith(".csv") else f"{uri.rstrip('/')}/analysis"

    def _check(self) -> None:
        arguments = {"results_uri": self.results_uri, **{name: _listed(getattr(self, name)) for name in _KINDS}}
        known = list(argument_issues(self))
        settings = ObjectSettings.of(self).issues()
        known += [issue for issue in settings if issue.where not in {each.where for each in known}]
        issues = [*known, *self.request_issues(arguments, ())]
        if issues:
            raise OmicsRequestInvalidError(_OPERATION, issues)

    def _analysed(self) -> _Seen:
        language = None if self.snippet_engine == _AUTO else self.snippet_engine
        seen, logged_at = _Seen(RunDetails(RunAnalysis(self.headroom, language), language)), time.monotonic()
        try:
            for sample, run_id, read in self._chosen(seen):
                self._add(sample, run_id, read(), seen)
                if time.monotonic() - logged_at >= _LOG_SECONDS:
                    logged_at = time.monotonic()
                    self.log.info("%s read", counted(len(seen.samples), "runs"))
        except CallsUsedUp:
            text = "The calls are used up (usage_calls_limit %s): %s runs are analysed, and not all"
            self.log.warning(text, f"{self.usage_calls_limit:,}", f"{seen.details.analysis.runs:,}")
        return seen

    def _add(self, sample: str | None, run_id: str, run: RunRecord | None, seen: _Seen) -> None:
        measured, has_manifest = None, False
        if run is not None and classify(RunStatus, run.status).is_final:
            measured, has_manifest = self._reader.measured(run)
        if run is None:
            seen.samples.append(ReportSample(sample or run_id, SampleStatus.DELETED, run_id))
        else:
            seen.samples.append(ReportSample.of_run(measured or run, sample))
        if measured is None:
            seen.missing += 1
            return
        if not has_manifest:
            seen.without_manifest += 1
            if self.snippet_engine == _AUTO:
                measured = replace(measured, engine=self._engines.of(measured))
        seen.details.add(measured)

    def _chosen(self, seen: _Seen) -> Iterable[_Given]:
        """Return the runs, or some of them by chance where there are too many, which is logged."""
        if self.analysis_runs_limit is None:
            return self._runs()
        runs = list(self._runs())
        seen.left_out = max(0, len(runs) - self.analysis_runs_limit)
        if not seen.left_out:
            return runs
        taken = take_by_chance((run_id for _, run_id, _ in runs), self.analysis_runs_limit, _SEED)
        text = "%s of %s runs are analysed, taken by chance, the same ones each time (analysis_runs_limit)"
        self.log.info(text, f"{self.analysis_runs_limit:,}", f"{len(runs):,}")
        return [each for each in runs if each[1] in taken]

    def _runs(self) -> Iterator[_Given]:
        """Yield the runs, each once."""
        seen: set[str | None] = set()
        for batch_id in _listed(self.batch_ids):
            listed = self._reader.runs_of_batch(batch_id)
            if listed is None:
                self.log.warning("Batch %s is gone, and its runs are not analysed", batch_id)
            for sample, run in listed or ():
                seen.add(run.run_id)
                yield sample, run.run_id or "", partial(_shown, run)
        for run_id in _listed(self.run_ids):
            if run_id not in seen:
                seen.add(run_id)
                yield None, run_id, partial(self._reader.run, run_id)

    def _write(self, analysis: RunAnalysis) -> dict[str, Any]:
        rows = [task.values() for task in analysis.tasks()]
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
        content = {"headroom": self.headroom, "runs": analysis.runs, "tasks": rows}
        csv_uri, json_uri = f"{self._stem}.csv", f"{self._stem}.json"
        self.hook.storage.write(csv_uri, [text.getvalue()], "text/csv")
        self.hook.storage.write(json_uri, [json.dumps(content, indent=2)], "application/json")
        self.log.info("The analysis of %s tasks of %s runs is in\n  %s", len(rows), f"{analysis.runs:,}", csv_uri)
        return {"results_uri": csv_uri, "results_json_uri": json_uri, "tasks": len(rows)}

    def _write_report(self, context: Context, seen: _Seen) -> str:
        uri = f"{self._stem}.html"
        batches, everything = _listed(self.batch_ids), len(seen.samples) + seen.left_out
        report = Report(
            title=title_of(context),
            facts=[
                *task_facts(context, self.hook),
                *([("Batches", ", ".join(batches[:_MOST_NAMED]))] if batches else []),
                *([("Taken by chance", f"{len(seen.samples):,} of {everything:,} runs")] if seen.left_out else []),
            ],
            samples=seen.samples,
            noun="samples" if batches and not _listed(self.run_ids) else "runs",
            details=seen.details,
            headroom=self.headroom,
            run_url=console_of(self.hook),
        )
        self.hook.storage.write(uri, [render(report)], CONTENT_TYPE)
        self.log.info("The report on the runs is in\n  %s", uri)
        return uri

    @cached_property
    def _engines(self) -> WorkflowEngines:
        return WorkflowEngines(lambda asked, label: self._reader.ask(asked, label, "GetWorkflow"), self.log)

    @cached_property
    def _reader(self) -> RunUseReader:
        retrying = self.retrying_for(_ERROR_BUDGET, _DELAY, "the analysis", only_transient=True)
        return RunUseReader(self.hook, self.log, retrying, self.usage_calls_limit)


def _shown(run: RunRecord) -> RunRecord | None:
    """Return a run of a batch; None if it is gone, so that only the batch tells of it."""
    return None if run.status is None else run


def _listed(given: Any) -> Any:
    """Return ids as a list of texts; what is no list of ids comes back as it is."""
    if given is None:
        return []
    if isinstance(given, (str, int)):
        return [str(given)]
    if isinstance(given, Iterable) and not isinstance(given, Mapping):
        return [str(each) if isinstance(each, int) else each for each in given]
    return given


def _ids_issues(name: str, given: Any) -> Iterator[Issue]:
    listed = _listed(given)
    if not isinstance(listed, list):
        yield Issue(name, f"is {type(given).__name__}, no list of ids", "Give a list of ids, or one id")
        return
    operation, member = _KINDS[name]
    for index, each in enumerate(listed):
        where = name if isinstance(given, (str, int)) else f"{name}[{index}]"
        yield from (replace(issue, where=where) for issue in id_issues(operation, member, name, {name: each}))
