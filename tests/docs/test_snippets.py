"""Every snippet of README and docs is run, or its page says why not."""

from __future__ import annotations

import configparser
import inspect
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import DuplicateTaskIdFound
from airflow.providers.common.compat.sdk import DAG
from airflow.triggers.base import BaseTrigger
from snippets import ROOT, Account, Snippet, pages, run_tasks, snippets
from task_runs import fire, load_trigger

from airflow_provider_omics.local import LocalOmics, Quotas, Timings

ALL = [snippet for page in pages() for snippet in snippets(page)]
PYTHON = sorted({snippet.page for snippet in ALL if snippet.language == "python"})
#: Languages in which there is nothing to run or to read.
SHOWN = {"text", "csv", "tsv", "wdl"}
#: Run by tests of their own.
ELSEWHERE = {
    "docs/sheets.md": "tests/service/test_sheets_page.py",
    "docs/start/first-cohort.md": "tests/docs/test_first_cohort.py",
}


def of_language(language: str) -> list[Any]:
    found = (snippet for snippet in ALL if snippet.language == language and snippet.not_run is None)
    return [pytest.param(snippet, id=f"{snippet.page}:{snippet.line}") for snippet in found]


class PageRun:
    """The snippets of one page, which are run one after the other with the same names."""

    def __init__(self, page: str, server: LocalOmics) -> None:
        self._server = server
        # Where the page's DAG file would be.
        self.names: dict[str, Any] = {"__file__": str(ROOT / "example_dags" / "page.py"), "__name__": "page"}
        self.dags = [DAG(Path(page).stem)]

    def run(self, snippet: Snippet) -> None:
        code = compile(snippet.placed, snippet.page, "exec")
        try:
            self._run(code)
        except DuplicateTaskIdFound:
            self.dags.append(DAG(self.dags[0].dag_id))
            self._run(code)
        for name in [name for name in self.names if name.startswith("test_")]:
            test = self.names.pop(name)
            test(**dict.fromkeys(inspect.signature(test).parameters, self._server))

    def _run(self, code: Any) -> None:
        with self.dags[-1]:
            exec(code, self.names)

    def triggers(self) -> Iterator[BaseTrigger]:
        return (value for value in self.names.values() if isinstance(value, BaseTrigger))


@pytest.fixture(scope="module")
def server() -> Iterator[LocalOmics]:
    """One server for all pages, which Airflow's default connection and boto3 lead to."""
    with (
        LocalOmics(executor="simulated", timings=Timings.fast(), quotas=Quotas.wide()) as started,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in started.environment().items():
            patch.setenv(name, value)
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", started.airflow_connection_uri())
        yield started


@pytest.mark.parametrize("page", PYTHON)
def test_python_is_run(page: str, server: LocalOmics) -> None:
    server.reset()
    Account(server)
    run = PageRun(page, server)
    for snippet in snippets(page):
        if snippet.language == "python" and snippet.not_run is None:
            run.run(snippet)
    if page in ELSEWHERE:
        assert (ROOT / ELSEWHERE[page]).exists()
        return
    for dag in run.dags:
        run_tasks(dag)
    for trigger in run.triggers():
        assert fire(load_trigger(*trigger.serialize())).payload


@pytest.mark.parametrize("snippet", of_language("bash"))
def test_bash_can_be_read(snippet: Snippet) -> None:
    answer = subprocess.run(["bash", "-n"], input=snippet.text, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("snippet", of_language("json"))
def test_json_can_be_read(snippet: Snippet) -> None:
    json.loads(snippet.text)


@pytest.mark.parametrize("snippet", of_language("ini"))
def test_configuration_can_be_read(snippet: Snippet) -> None:
    configparser.ConfigParser().read_string(snippet.text)


def test_no_other_language_has_come_in() -> None:
    assert {snippet.language for snippet in ALL} <= {"python", "bash", "json", "ini", *SHOWN}


def test_few_snippets_are_not_run() -> None:
    python = [snippet for snippet in ALL if snippet.language == "python"]
    left_out = [f"{snippet.page}:{snippet.line}: {snippet.not_run}" for snippet in python if snippet.not_run]
    assert len(python) - len(left_out) >= 120
    assert len(left_out) <= 3, left_out
