"""Runs one task as Airflow does: renders, executes, defers, runs the stored trigger, and resumes."""

from __future__ import annotations

import asyncio
import importlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator, TaskDeferred
from airflow.triggers.base import BaseTrigger, TriggerEvent


@dataclass
class TaskInstance:
    """What an operator asks of its task instance, without Airflow's database."""

    task_id: str = "start_run"
    dag_id: str = "cohort"
    run_id: str = "manual__2026-01-01T00:00:00+00:00"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 0
    start_date: datetime = field(default_factory=lambda: datetime.now(UTC))
    xcoms: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        assert json.loads(json.dumps(value)) == value
        self.xcoms[key] = value

    def xcom_pull(self, *, task_ids: str, key: str, map_indexes: int) -> Any:
        """Return what the task itself has pushed."""
        assert (task_ids, map_indexes) == (self.task_id, self.map_index)
        return self.xcoms.get(key)


class InstanceWithUpstream(TaskInstance):
    """A task instance whose upstream task has returned a value."""

    returned: Any = None
    task: Any = None

    def xcom_pull(self, *_args: Any, **_kwargs: Any) -> Any:  # type: ignore[override]
        """Return what the upstream task returned."""
        return self.returned

    def get_relevant_upstream_map_indexes(self, *_args: Any, **_kwargs: Any) -> None:
        """Say that no upstream task is mapped."""
        return


@dataclass
class TaskRun:
    """What came of a task.

    :ivar triggers: every trigger that the task deferred to, as it was stored.
    """

    result: Any
    ti: TaskInstance
    triggers: list[tuple[str, dict[str, Any]]]
    timeouts: list[Any]


def may_execute_here() -> None:
    """Let an operator be run in this thread, which Airflow 2.11 keeps something for in the main thread only."""
    if version("apache-airflow").startswith("2."):
        safeguard = importlib.import_module("airflow.models.baseoperator").ExecutorSafeguard
        safeguard._sentinel.callers = getattr(safeguard._sentinel, "callers", {})


def run_task(operator: BaseOperator, ti: TaskInstance | None = None, **context: Any) -> TaskRun:
    """Run a task to its end, through the triggerer where it defers."""
    ti = ti or TaskInstance(task_id=operator.task_id)
    full: Any = {"ti": ti, "task_instance": ti, "params": {}, "run_id": ti.run_id, **context}
    may_execute_here()
    operator.render_template_fields(full)
    triggers: list[tuple[str, dict[str, Any]]] = []
    timeouts: list[Any] = []
    method, kwargs = "execute", {}
    while True:
        try:
            result = operator.execute(full) if method == "execute" else operator.resume_execution(method, kwargs, full)
        except TaskDeferred as deferred:
            stored = json.loads(json.dumps(deferred.trigger.serialize()))
            triggers.append((stored[0], stored[1]))
            timeouts.append(deferred.timeout)
            event = fire(load_trigger(*stored))
            method, kwargs = deferred.method_name, {**(deferred.kwargs or {}), "event": event.payload}
            # The task is resumed in a new process, which knows only what was stored.
            # As if mapped, since its DAG has a task of that name.
            arguments = {**operator._BaseOperator__init_kwargs, "_airflow_from_mapped": True}  # type: ignore[attr-defined]
            operator = type(operator)(**arguments)
            operator.render_template_fields(full)
        else:
            return TaskRun(result, ti, triggers, timeouts)


def load_trigger(classpath: str, kwargs: dict[str, Any]) -> BaseTrigger:
    """Make a trigger as the triggerer does."""
    module, _, name = classpath.rpartition(".")
    trigger: BaseTrigger = getattr(importlib.import_module(module), name)(**kwargs)
    return trigger


def fire(trigger: BaseTrigger) -> TriggerEvent:
    """Run a trigger until its first event, which goes through JSON as it does in Airflow."""

    async def first() -> TriggerEvent:
        events = trigger.run()
        try:
            return await anext(events)
        finally:
            await events.aclose()

    event = asyncio.run(first())
    return TriggerEvent(json.loads(json.dumps(event.payload)))
