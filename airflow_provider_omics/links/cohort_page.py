"""Addresses of the cohort's page in Airflow's web server."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from airflow.providers.common.compat.sdk import conf

from airflow_provider_omics.compat import BASE_URL_SECTION
from airflow_provider_omics.healthomics.requests.identity import TaskIdentity

URL_PREFIX = "/omics"
"""Path of the page's application below Airflow's own address."""


def page_path(task: TaskIdentity | None = None) -> str:
    """Return the path of a cohort's page, which is right under whatever host a browser reaches Airflow.

    :param task: the task instance; None for the list of cohorts.
    """
    base = str(conf.get(BASE_URL_SECTION, "base_url", fallback=None) or "")
    below = "" if "{" in base else urlsplit(base).path.rstrip("/")
    if task is None:
        return f"{below}{URL_PREFIX}/"
    names = "/".join(quote(name, safe="") for name in (task.dag_id, task.dag_run_id, task.task_id))
    return f"{below}{URL_PREFIX}/cohorts/{names}/{task.map_index}"
