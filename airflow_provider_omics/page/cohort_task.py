"""Cohort task as Airflow knows it: its identity, its state, what it was given, and the batch that it named.

Nothing that a user of Airflow can write decides what is read from AWS: where the table is follows from the rendered
arguments of the task, and of the batch that an XCom names, the tags must name the task (see
:mod:`airflow_provider_omics.page.progress`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_omics.healthomics.requests.identity import DagRunLife, JobKey, TaskIdentity
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.hooks.parameters import ConnectionParameters
from airflow_provider_omics.jobs.cohort_paths import CohortPaths

_ENDED = ("success", "failed", "skipped", "removed", "upstream_failed")


@dataclass(frozen=True)
class CohortTask:
    """Task instance that runs a cohort.

    :param state: in Airflow; None before it is scheduled.
    :param operator: name of the operator's class.
    :param arguments: the template fields as they were rendered when it began; None where Airflow has none, or none any
        more.
    :param batch_id: what it pushed as the id of its newest batch; None if it has pushed none.
    """

    identity: TaskIdentity
    state: str | None
    try_number: int
    operator: str | None
    started: datetime | None
    ended: datetime | None
    life: DagRunLife
    arguments: Mapping[str, Any] | None = None
    batch_id: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether the task may still change something."""
        return self.state not in _ENDED

    @property
    def connection(self) -> ConnectionParameters | None:
        """The connection that the task was given; None where that is not known."""
        if self.arguments is None or "aws_conn_id" not in self.arguments:
            return None
        given = self.arguments
        return ConnectionParameters(given["aws_conn_id"], given.get("region_name"), given.get("verify"))

    def key(self, namespace: str) -> JobKey:
        """Return the key of the task's batches.

        :param namespace: of the deployment.
        """
        return JobKey(self.identity, "StartRunBatch", namespace, self.life)

    @property
    def output_uri(self) -> Any:
        """Where the runs write their outputs; None where that is not known."""
        given = self.arguments or {}
        more = given.get("default_run_setting")
        own = more.get("outputUri") if isinstance(more, Mapping) else None
        return own or given.get("output_uri")

    def results_uri(self, namespace: str) -> str | None:
        """Return where the task writes its results table as JSONL; None where that is not known.

        :param namespace: of the deployment.
        """
        return self._beside_results(namespace, "jsonl")

    def report_uri(self, namespace: str) -> str | None:
        """Return where the task writes its report, if it writes one; None where that is not known.

        :param namespace: of the deployment.
        """
        return self._beside_results(namespace, "html")

    def _beside_results(self, namespace: str, suffix: str) -> str | None:
        given = self.arguments
        if given is None:
            return None
        places = given.get("settings_uri"), given.get("results_uri")
        try:
            paths = CohortPaths.of(self.key(namespace), self.output_uri, *places)
        except OmicsRequestInvalidError:
            return None
        return f"{paths.results}.{suffix}"
