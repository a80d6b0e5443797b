"""XComs of a job that was started, and of a cohort that has ended: bounded, however many samples there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.compat import add_partitions
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.results.outcome import BatchOutcome
from airflow_provider_omics.healthomics.results.table import ResultsTable, SampleResult
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.operators.xcom_keys import (
    XCOM_BATCH_SUMMARY_KEY,
    XCOM_FAILED_RUN_SETTING_IDS_KEY,
    XCOM_FAILURES_KEY,
    XCOM_REPORT_URI_KEY,
    XCOM_RESULTS_URI_KEY,
    XCOM_RUNS_KEY,
    run_result,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_MOST_CHARACTERS = 200
_FAILURE_COLUMNS = (
    "run_setting_id",
    "batch_id",
    "run_id",
    "submission_status",
    "submission_failure_reason",
    "run_status",
    "failure_code",
    "failure_class",
)


def xcoms_of(outcome: BatchOutcome, table: ResultsTable, runs_limit: int) -> dict[str, Any]:
    """Return the XComs of a cohort that has ended, by their keys.

    :param runs_limit: most completed samples for which ``runs`` is among them.
    """
    xcoms: dict[str, Any] = {
        XCOM_BATCH_SUMMARY_KEY: outcome.summary(),
        XCOM_RESULTS_URI_KEY: outcome.results_uri,
        XCOM_REPORT_URI_KEY: outcome.report_uri,
        XCOM_FAILED_RUN_SETTING_IDS_KEY: [row.run_setting_id for row in outcome.failures],
        XCOM_FAILURES_KEY: [_failure_json(row) for row in outcome.failures],
    }
    if outcome.counts.completed <= runs_limit:
        completed = (row for row in table.rows() if row.completed)
        xcoms[XCOM_RUNS_KEY] = [
            {"run_setting_id": row.run_setting_id, "run_id": row.run_id, "output_uri": row.output_uri}
            for row in completed
        ]
    return xcoms


def add_to_outlet_events(
    context: Context, outlets: Iterable[Any], extra: Mapping[str, Any], log: Log, partitions: Iterable[str] = ()
) -> None:
    """Give the asset events of the task's outlets more in their extra, and their partitions; best effort.

    An alias and a reference to an asset have no event of their own here.

    :param extra: JSON values.
    :param partitions: keys of which each gets an asset event of its own, from Airflow 3.3 on; none for one event.
    """
    try:
        if "outlet_events" not in context:
            return
        events: Any = context["outlet_events"]
        for event in (events[outlet] for outlet in outlets if hasattr(outlet, "uri") and hasattr(outlet, "extra")):
            event.extra.update(extra)
            keys = list(partitions)
            if keys and not add_partitions(event, keys):
                log.warning("Assets have no partitions before Airflow 3.3; there is one asset event for all samples")
    except Exception as error:
        log.warning("%s", entry("The asset events of the task do not tell all of its job: %s", error))


def cohort_extra(outcome: BatchOutcome) -> dict[str, Any]:
    """Return what the asset events of a cohort have in their extra: counts, and where the results are."""
    return {"outcome": outcome.outcome, XCOM_BATCH_SUMMARY_KEY: outcome.summary()}


def run_extra(run: RunSnapshot) -> dict[str, Any]:
    """Return what the asset events of a run have in their extra."""
    return {name: value for name, value in run_result(run).items() if value is not None}


def _failure_json(row: SampleResult) -> dict[str, Any]:
    failure = row.to_json()
    message = failure["failure_message"] or ""
    return {**{name: failure[name] for name in _FAILURE_COLUMNS}, "failure_message": message[:_MOST_CHARACTERS] or None}


def push_xcoms(context: Context, log: Log, values: Mapping[str, Any]) -> None:
    """Push values that are not None as XComs of their names, right after a start.

    Best effort: a job that was started must not be lost for an XCom.
    """
    for key, value in values.items():
        if value is not None:
            try:
                context["ti"].xcom_push(key=key, value=value)
            except Exception as error:
                log.warning("%s", entry("XCom %r could not be pushed: %s", key, error))
