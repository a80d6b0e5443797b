"""The workflow that a name stands for: looked up once for a cohort, and kept for its retries and redrives."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_omics.exceptions import OmicsServiceError
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.requests.identity import JobKey
from airflow_provider_omics.hooks.storage import ObjectStorage
from airflow_provider_omics.workflows.lookup import FoundWorkflow, find_workflow

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook

_NAMING = ("StartRunBatch", "GetWorkflow", "GetWorkflowVersion")


def find_named(
    hook: OmicsHook, log: Log, operation: str, name: str, version_name: str | None, workflow_type: str | None
) -> FoundWorkflow:
    """Look up a workflow by its name, and log what was found.

    :param operation: API operation that it is for.
    :raises OmicsRequestInvalidError: there is none of that name, or more than one.
    """
    found = hook.send_requests(find_workflow(operation, name, version_name, workflow_type), f"workflow {name!r}")
    log.info("%s", entry(found.describe(name)))
    return found


@dataclass(frozen=True)
class KeptWorkflow:
    """What a task instance asked for, and where what it found is kept.

    All samples of a cohort are run by the same version, also when there is a newer one by the time of a redrive.

    :param place: folder in S3 of the files of run settings.
    :param key: the task's key, with the life of its DAG run: one that is created again looks again.
    :param name: name of the workflow.
    :param version_name: the version that is asked for; None for the workflow itself.
    """

    storage: ObjectStorage
    log: Log
    place: str
    key: JobKey
    name: str
    version_name: str | None

    @property
    def uri(self) -> str:
        """The object that it is kept in."""
        asked = json.dumps((self.key.task_name(), self.name, self.version_name or ""))
        return f"{self.place}/workflows/{hashlib.sha256(asked.encode()).hexdigest()[:40]}.json"

    def get_or_find(self, find: Callable[[], FoundWorkflow]) -> FoundWorkflow:
        """Return what was found first, whichever of the task's tries that was, and log where it is kept.

        :param find: looks it up.
        """
        is_there = self.storage.exists(self.uri)
        kept = self._read() if is_there else None
        if kept is None:
            found = find()
            content = {**found.members, "dagRunLife": self.key.dag_run.key, "keptAt": time.time()}
            self._write(json.dumps(content, sort_keys=True), is_there=is_there)
            # Another try may have been faster.
            kept = self._read() or found
        self.log.info("%s", entry("%s, as kept in %s for all tries of this task", kept.describe(self.name), self.uri))
        return kept

    def _read(self) -> FoundWorkflow | None:
        """Return what is kept; None if it was kept for a DAG run of this id that is no more."""
        with self.storage.open(self.uri) as stream:
            content = json.load(stream)
        is_ours = self.key.dag_run.is_life(content.get("dagRunLife", ""), content.get("keptAt"))
        return FoundWorkflow.from_members(content) if is_ours else None

    def _write(self, content: str, *, is_there: bool) -> None:
        if is_there:
            self.storage.write(self.uri, [content], "application/json")
        else:
            self.storage.put_all_once([(self.uri, content.encode())], "application/json")


@contextmanager
def naming_kept(kept: KeptWorkflow | None) -> Iterator[None]:
    """Say of a workflow that is not there where it is kept, and how to have it looked up again."""
    try:
        yield
    except OmicsServiceError as error:
        if kept is None or error.code != "ResourceNotFoundException" or error.operation not in _NAMING:
            raise
        explained = error.explanation
        remedy = (
            f"{explained.remedy}. Tries of this task use what the first one found for the name {kept.name!r}; to have "
            f"it looked up again, delete {kept.uri}"
        )
        raise OmicsServiceError(replace(explained, remedy=remedy)) from error.__cause__
