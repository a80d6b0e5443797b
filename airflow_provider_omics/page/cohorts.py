"""Cohort of a task as the page shows it: progress, table, samples and logs, each as the future of an answer."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from urllib.parse import quote

from airflow_provider_omics.healthomics.api.console import (
    engine_log_stream,
    log_stream_url,
    run_list_url,
    run_log_stream,
    run_url,
)
from airflow_provider_omics.page.accounts import REFRESH_SECONDS, Account, Accounts
from airflow_provider_omics.page.cohort_task import CohortTask
from airflow_provider_omics.page.failed_runs import explain_run
from airflow_provider_omics.page.places import ConsolePlace, folder_place, object_place
from airflow_provider_omics.page.problems import FORGOTTEN, NO_PLACE, NOT_A_COHORT, Problem
from airflow_provider_omics.page.progress import read_progress
from airflow_provider_omics.page.report_object import NO_REPORT, describe_report, read_report
from airflow_provider_omics.page.sample_table import Query, SampleTable, advice_json
from airflow_provider_omics.page.shared_calls import SharedCalls
from airflow_provider_omics.page.tables import TableCache, TableLoad

Answer = Future[dict[str, Any]]

_SHORT = 1.0
_LOG_SECONDS = 60.0


class CohortReader:
    """Reader of cohorts, with what many viewers share."""

    def __init__(self) -> None:
        self.shared = SharedCalls()
        self._accounts = Accounts(self.shared)
        self._tables = TableCache()

    def progress(self, task: CohortTask) -> Answer:
        """Return the batches and counts of a task's cohort."""
        if task.batch_id is None:
            return _known({"state": "waiting"} if task.is_active else _problem(NOT_A_COHORT))
        if task.connection is None:
            return _known(_problem(FORGOTTEN))

        def shown(account: Account) -> dict[str, Any]:
            return {**read_progress(account, task), "places": _places(account, task)}

        return self._read("progress", task, shown, _SHORT)

    def table(self, task: CohortTask) -> Answer:
        """Return what the results table of a task's cohort comes to: counts, failures, times and cost."""

        def shown(account: Account, table: SampleTable) -> dict[str, Any]:
            return {**_summary(table), "report": describe_report(account, task)}

        return self._of_table("table", task, shown)

    def report(self, task: CohortTask) -> Answer:
        """Return the report that the task has written, as HTML."""
        if task.connection is None:
            return _known(_problem(NO_REPORT if task.is_active else FORGOTTEN))
        return self._read("report", task, lambda account: read_report(account, task), 0.0)

    def samples(self, task: CohortTask, query: Query) -> Answer:
        """Return a page of samples."""

        def shown(account: Account, table: SampleTable) -> dict[str, Any]:
            page = table.page(query)
            place = account.place
            return {"rows": [_with_links(row, place) for row in page.rows], "matched": page.matched}

        return self._of_table(("samples", query), task, shown)

    def log(self, task: CohortTask, sample: str) -> Answer:
        """Return the failed tasks of a sample's run, and the last lines of their logs.

        :param sample: its id.
        """

        def shown(account: Account, table: SampleTable) -> dict[str, Any]:
            row = table.row(sample)
            if row is None:
                return {"state": "unknown_sample"}
            if not row.get("run_id"):
                return {"state": "no_run"}
            key = (account.key, "log", row["run_id"], row.get("uuid"))
            return self.shared.call(key, lambda: explain_run(account, row), lambda _: _LOG_SECONDS)

        return self._of_table(("log", sample), task, shown)

    def _of_table(
        self, what: object, task: CohortTask, show: Callable[[Account, SampleTable], dict[str, Any]]
    ) -> Answer:
        if task.connection is None:
            return _known({"state": "waiting"} if task.is_active else _problem(FORGOTTEN))
        return self._read(what, task, lambda account: self._show(account, task, show), 0.0)

    def _show(
        self, account: Account, task: CohortTask, show: Callable[[Account, SampleTable], dict[str, Any]]
    ) -> dict[str, Any]:
        uri = task.results_uri(account.hook.namespace)
        if uri is None:
            return _problem(NO_PLACE)
        storage = account.hook.storage
        version = self.shared.call(
            (account.key, "version", uri), lambda: storage.version(uri), lambda _: REFRESH_SECONDS
        )
        if version is None:
            return {"state": "missing", "uri": _csv(uri)}
        load = self._tables.load(account.key, uri, version, storage)
        if not load.future.done():
            return {"state": "reading", "done": load.done, "size": version.size}
        described = _described(load, uri, account.place)
        return {**described, **show(account, load.future.result())}

    def _read(
        self, what: object, task: CohortTask, read: Callable[[Account], dict[str, Any]], seconds: float
    ) -> Answer:
        connection = task.connection
        assert connection is not None
        key = (what, task.identity, task.batch_id, task.try_number, repr(connection))
        return self.shared.submit(key, lambda: read(self._accounts.get(connection)), lambda _: seconds)


def describe_task(task: CohortTask) -> dict[str, Any]:
    """Return what Airflow knows of a task, and how its failed samples are run again, as JSON values."""
    identity = task.identity
    connection = task.connection
    return {
        **identity.to_payload(),
        "state": task.state,
        "is_active": task.is_active,
        "try_number": task.try_number,
        "operator": task.operator,
        "started": task.started.isoformat() if task.started else None,
        "ended": task.ended.isoformat() if task.ended else None,
        "has_batch": task.batch_id is not None,
        "connection": None if connection is None else connection.aws_conn_id,
        "clear": _clear_command(task),
        "airflow_path": _airflow_path(task),
    }


def _clear_command(task: CohortTask) -> str:
    identity = task.identity
    one: Any = identity.task_id if identity.map_index < 0 else [identity.task_id, identity.map_index]
    body = {"dry_run": False, "only_failed": False, "dag_run_id": identity.dag_run_id, "task_ids": [one]}
    address = f"/api/v2/dags/{quote(identity.dag_id, safe='')}/clearTaskInstances"
    return (
        f'curl -X POST "$AIRFLOW_URL"{shlex.quote(address)} -H "Authorization: Bearer $AIRFLOW_TOKEN"'
        f" -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(body))}"
    )


def _airflow_path(task: CohortTask) -> str:
    identity = task.identity
    names = (quote(name, safe="") for name in (identity.dag_id, identity.dag_run_id, identity.task_id))
    path = "dags/{}/runs/{}/tasks/{}".format(*names)
    return path if identity.map_index < 0 else f"{path}/mapped/{identity.map_index}"


def _summary(table: SampleTable) -> dict[str, Any]:
    cost, priced = table.cost
    first, last = table.times
    return {
        "counts": table.counts(),
        "failure_classes": table.failure_classes(),
        "groups": [
            {
                "status": group.outcome.status.value,
                "failure_class": group.outcome.failure_class,
                "reason": group.outcome.reason,
                "count": group.count,
                "examples": list(group.examples),
                **advice_json(group.advice),
            }
            for group in table.failure_groups()[:50]
        ],
        "cost_usd": cost,
        "priced_samples": priced,
        "first_start": first,
        "last_stop": last,
    }


def _described(load: TableLoad, uri: str, place: ConsolePlace) -> dict[str, Any]:
    return {
        "state": "ready",
        **object_place(_csv(uri), place),
        "written": load.version.modified.isoformat(timespec="seconds"),
        "total": len(load.future.result()),
    }


def _csv(uri: str) -> str:
    return f"{uri.removesuffix('.jsonl')}.csv"


def _places(account: Account, task: CohortTask) -> dict[str, Any]:
    place = account.place
    return {
        "outputs": folder_place(task.output_uri, place),
        "runs": None if place is None else run_list_url(*place),
    }


def _with_links(row: dict[str, Any], place: ConsolePlace) -> dict[str, Any]:
    links: dict[str, str] = {}
    run_id, output = row.get("run_id"), folder_place(row.get("output_uri"), place)
    if place is not None and run_id:
        links["run"] = run_url(*place, run_id)
        links["log"] = log_stream_url(*place, run_log_stream(run_id))
        links["engine"] = log_stream_url(*place, engine_log_stream(run_id))
    if output is not None and output["link"] is not None:
        links["output"] = output["link"]
    return {**row, "links": links}


def _problem(problem: Problem) -> dict[str, Any]:
    return {"state": "problem", "problem": problem.to_json()}


def _known(answer: dict[str, Any]) -> Answer:
    future: Answer = Future()
    future.set_result(answer)
    return future
