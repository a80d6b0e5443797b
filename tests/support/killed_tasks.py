"""Tasks in processes of their own, which are killed while the local server holds one of their calls."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any
from urllib.parse import urlencode

from airflow.providers.common.compat.sdk import BaseOperator
from omics_service import DEADLINE_SECONDS
from task_runs import TaskInstance, run_task

from airflow_provider_omics.healthomics.api import creation
from airflow_provider_omics.local import FaultKind, FaultRule, LocalOmics

_PROCESSES = multiprocessing.get_context("forkserver")
# Imported once for all of them, by the process that they are forks of.
_PROCESSES.set_forkserver_preload(
    ["airflow_provider_omics.operators.account", "airflow_provider_omics.operators.workflow"]
)

#: A task as it goes to another process: its connection, its operator and the operator's arguments.
Work = tuple[str, type[BaseOperator], Mapping[str, Any]]


@dataclass(frozen=True)
class Task:
    """A task whose operator is made and executed in another process.

    :param server: where its calls go.
    :param login: the access key that they are signed with, by which the server knows them.
    """

    server: LocalOmics
    login: str
    operator: type[BaseOperator]
    arguments: Mapping[str, Any]

    @property
    def connection(self) -> str:
        """Airflow's connection to the server."""
        return f"aws://{self.login}:local@/?{urlencode({'__extra__': json.dumps(self.server.connection_extra())})}"


class TaskProcess:
    """A process that executes tasks, one after the other, and looks for what is shown late without a pause.

    :param try_number: which try of the tasks it is, 1 for the first.
    """

    def __init__(self, *tasks: Task, try_number: int = 1) -> None:
        self._results, told = _PROCESSES.Pipe(duplex=False)
        work = [(task.connection, task.operator, task.arguments) for task in tasks]
        self._process = _PROCESSES.Process(
            target=_execute, args=(dict(os.environ), work, try_number, told), daemon=True
        )
        self._process.start()
        told.close()

    @property
    def sentinel(self) -> int:
        """What can be waited for until the process has ended."""
        return self._process.sentinel

    def kill(self) -> None:
        """Kill the process, and return once it is gone."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGKILL)
        assert self._end() == -signal.SIGKILL

    def results(self) -> list[Any]:
        """Return what the tasks returned, once the process has ended by itself."""
        assert self._end() == 0
        results: list[Any] = self._results.recv()
        return results

    def _end(self) -> int | None:
        self._process.join(DEADLINE_SECONDS)
        return self._process.exitcode


class HeldCall:
    """The next call of an operation by one login, held by the server; its client never gets an answer.

    :param kind: ``DROPPED_CONNECTION`` to hold it before it has its effect, ``LOST_ANSWER`` to hold it after that.
    :param when: whether it is the call's time.
    """

    def __init__(
        self,
        server: LocalOmics,
        login: str,
        operation: str,
        kind: FaultKind,
        when: Callable[[], bool],
    ) -> None:
        self._come, self._comes = multiprocessing.Pipe(duplex=False)
        self._is_over = threading.Event()
        server.faults.add(
            FaultRule(
                kind=kind,
                operation=operation,
                matches=lambda facts: facts.access_key == login and when(),
                act=self._hold,
            )
        )

    def kill(self, task: TaskProcess) -> None:
        """Kill the task as soon as its call is held, then let the call go."""
        assert self._come in wait([self._come, task.sentinel], DEADLINE_SECONDS), "the task made no such call"
        task.kill()
        self.close()

    def close(self) -> None:
        """Hold the call no longer, nor one that comes later."""
        self._is_over.set()

    def _hold(self, _: object) -> None:
        self._comes.send(None)
        self._is_over.wait(DEADLINE_SECONDS)


def _execute(environment: Mapping[str, str], work: Sequence[Work], try_number: int, told: Connection) -> None:
    creation.LATE_PAUSES = (0.0,) * len(creation.LATE_PAUSES)  # type: ignore[assignment]
    os.environ.clear()
    os.environ.update(environment)
    results = []
    for connection, operator, arguments in work:
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = connection
        ti = TaskInstance(task_id="create", try_number=try_number)
        results.append(run_task(operator(task_id="create", **arguments), ti).result)
    told.send(results)
