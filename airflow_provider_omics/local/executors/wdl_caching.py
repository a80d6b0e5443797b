"""Calls of WDL tasks that take their outputs from the run cache, or leave them for it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import WDL
from WDL import Env, Value
from WDL._util import provision_run_dir
from WDL.runtime import task as running
from WDL.Tree import Task

from airflow_provider_omics.local.executors.task_cache import TaskCache, content_digest, key_of
from airflow_provider_omics.local.executors.wdl_tasks import TaskReports, task_name

_WITHOUT_PATHS_OF_SOURCE = ("draft-2", "1.0", "1.1")


class TaskRunner:
    """Runs the calls of one run in place of miniwdl's ``run_local_task``.

    :param cache: None for a run without one.
    :param definition: the unpacked definition.
    """

    def __init__(self, reports: TaskReports, cache: TaskCache | None, definition: Path) -> None:
        self._reports = reports
        self._cache = cache
        self._definition = definition

    def run(
        self,
        cfg: Any,
        task: Task,
        inputs: Env.Bindings[Value.Base],
        run_id: str | None = None,
        run_dir: str | None = None,
        **others: Any,
    ) -> tuple[str, Env.Bindings[Value.Base]]:
        """Run a call, or take its outputs from the run cache; takes and returns what ``run_local_task`` does."""
        cache, keep = self._cache, None
        if cache is not None and str(task.meta.get("volatile")) != "true":
            key = self._key(task, inputs)
            stack = [*(others.get("_run_id_stack") or []), run_id or task.name]
            recalled = cache.recall(task_name(stack[1:] or [task.name], 1), key)
            if recalled is not None:
                values = WDL.values_from_json(recalled.values, task.effective_outputs)
                outputs = Value.rewrite_env_paths(values, lambda value: str(recalled.path(value.value)))
                folder, downloads = provision_run_dir(task.name, run_dir), others.get("_cache")
                return folder, running.link_outputs(downloads, outputs, folder, hardlinks=True)  # type: ignore[attr-defined, arg-type]
            keep = partial(_keep, cache, key)
        watch = partial(self._reports.watch, keep)
        return running.run_local_task(cfg, task, inputs, run_id, run_dir, **others, _plugins=[watch])

    def _key(self, task: Task, inputs: Env.Bindings[Value.Base]) -> str:
        """Return what tells a call apart: the task with its container, and names and contents of its inputs."""

        def described(value: Value.File | Value.Directory) -> str:
            path = Path(value.value)
            return f"{content_digest(path)}/{path.name}"

        version = task.effective_wdl_version
        source = None if version in _WITHOUT_PATHS_OF_SOURCE else content_digest(self._definition)
        given = WDL.values_to_json(Value.rewrite_env_paths(inputs, described))
        return key_of(["WDL", version, task.name, task.digest, source, given])


def _keep(cache: TaskCache, key: str, outputs: Env.Bindings[Value.Base]) -> dict[str, str] | None:
    return cache.keep(
        key,
        lambda add: WDL.values_to_json(Value.rewrite_env_paths(outputs, lambda value: add(Path(value.value)))),
    )
