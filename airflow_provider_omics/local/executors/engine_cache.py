"""The server's side of the run cache of one run that is really carried out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.statuses import RunStatus
from airflow_provider_omics.local.aws import S3Error
from airflow_provider_omics.local.executors.run_folder import OutsideOfRun, RunFolder
from airflow_provider_omics.local.runs.caching import cache_of, find_entry, is_saved, save_task

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.records import CacheEntry, Run, Task


class EngineCache:
    """Fetches what the run's cache has of its tasks, and saves what they have made.

    :param folder: the run's folder, out of which nothing is read or written.
    """

    def __init__(self, state: AccountState, run: Run, folder: RunFolder) -> None:
        self._state = state
        self._run = run
        self._folder = folder
        self._kept: list[tuple[str, str, Path]] = []

    @property
    def is_used(self) -> bool:
        """Whether the run has a cache."""
        return cache_of(self._state, self._run) is not None

    def recall(self, wanted: dict[str, Any]) -> CacheEntry | None:
        """Fetch what the cache has of a task, if it has anything.

        :param wanted: the task's ``name`` and ``key``, and the ``folder`` that its files go to.
        """

        def fetch(entry: CacheEntry) -> None:
            for path in entry.files:
                target = Path(wanted["folder"], path)
                self._state.aws.download(f"{entry.s3_uri}/{path}", lambda: self._folder.create(target))  # noqa: B023

        return find_entry(self._state, self._run, wanted["key"], wanted["name"], fetch)

    def keep(self, task_id: str, kept: dict[str, str]) -> None:
        """Note what a finished task has left to be saved when the run ends.

        :param kept: its ``key``, and the ``folder`` of its files.
        """
        self._kept.append((task_id, kept["key"], Path(kept["folder"])))

    def save(self, end: RunStatus, failure_reason: str | None = None) -> None:
        """Save what the tasks have left, if a run that ends so saves anything; nothing of it may run any more."""
        if not is_saved(self._state, self._run, end, failure_reason):
            return
        for task_id, key, folder in self._kept:
            task: Task | None = self._run.tasks.get(task_id)
            if task is not None:
                save_task(self._state, self._run, task, key, self._files(folder))

    def _files(self, folder: Path) -> Iterator[tuple[str, bytes]]:
        for path in sorted(folder.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                continue
            try:
                with self._folder.open(path) as file:
                    content = file.read()
            except (OutsideOfRun, OSError) as error:
                raise S3Error(f"{path.name} cannot be read: {error}") from None
            yield path.relative_to(folder).as_posix(), content
