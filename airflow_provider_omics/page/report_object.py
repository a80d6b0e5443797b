"""Report on a cohort, which its task has written beside the results table: where it is, and what is in it."""

from __future__ import annotations

from typing import Any

from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError
from airflow_provider_omics.hooks.storage import ObjectVersion
from airflow_provider_omics.page.accounts import REFRESH_SECONDS, Account
from airflow_provider_omics.page.cohort_task import CohortTask
from airflow_provider_omics.page.places import object_place
from airflow_provider_omics.page.problems import Problem

MOST_BYTES = 32 << 20
"""The largest report that is shown; the largest that tasks write have about a tenth of it."""

NO_REPORT = Problem(
    "NoReport",
    "The task has written no report.",
    "Set report=True of OmicsStartRunBatchOperator; the report is written when the cohort has ended.",
)
_TOO_LARGE = Problem("ReportTooLarge", "The report is too large to be shown here.", "Read the object in S3 itself.")


def describe_report(account: Account, task: CohortTask) -> dict[str, Any] | None:
    """Return where the report of a task is, and when it was written (HeadObject).

    :return: None if there is none, or none that the page may read: everything else is shown all the same.
    """
    uri = task.report_uri(account.hook.namespace)
    try:
        version = None if uri is None else _version(account, uri)
    except OmicsServiceError:
        return None
    if uri is None or version is None:
        return None
    return {**object_place(uri, account.place), "written": version.modified.isoformat(timespec="seconds")}


def read_report(account: Account, task: CohortTask) -> dict[str, Any]:
    """Return the report of a task as HTML, or the problem in its place (HeadObject, GetObject)."""
    uri = task.report_uri(account.hook.namespace)
    version = None if uri is None else _version(account, uri)
    if uri is None or version is None:
        return {"state": "problem", "problem": NO_REPORT.to_json()}
    if version.size > MOST_BYTES:
        return {"state": "problem", "problem": _TOO_LARGE.to_json()}
    content = account.hook.storage.read_range(uri, version, 0, MOST_BYTES)
    return {"state": "ready", "html": content.decode("utf-8", "replace")}


def _version(account: Account, uri: str) -> ObjectVersion | None:
    storage = account.hook.storage
    return account.shared.call((account.key, "version", uri), lambda: storage.version(uri), lambda _: REFRESH_SECONDS)
