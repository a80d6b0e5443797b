"""Run caches at work: which finished tasks a run saves when it ends, and where a later run finds them."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.console import LOG_GROUP
from airflow_provider_omics.healthomics.api.statuses import RunStatus, TaskStatus
from airflow_provider_omics.local.aws import S3Error
from airflow_provider_omics.local.records import CacheEntry

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.records import Run, RunCache, Task

log = logging.getLogger(__name__)

_MANIFEST_VERSION = 2
# The service saves nothing of runs that failed with these, whatever their tasks have done.
_SAVES_NOTHING = frozenset({"FILE_SYSTEM_OUT_OF_SPACE", "RUN_TIMED_OUT", "EXPORT_FAILED"})


def cache_of(state: AccountState, run: Run) -> RunCache | None:
    """Return the cache that a run uses; None without one, or when it was deleted meanwhile."""
    cache = state.run_caches.get(run.request.get("cacheId", ""))
    return cache if cache is not None and cache.status == "ACTIVE" else None


def find_entry(
    state: AccountState, run: Run, key: str, task_name: str, fetch: Callable[[CacheEntry], None] | None = None
) -> CacheEntry | None:
    """Return what the run's cache has for a task, and note a hit or a miss in the cache's log.

    An entry of which something is no longer in S3 is a miss, never an error.

    :param key: tells tasks apart that differ in anything that their outputs depend on.
    :param fetch: copies what the task has made; may raise :class:`S3Error`.
    """
    cache = cache_of(state, run)
    if cache is None:
        return None
    entry = cache.entries.get(key)
    if entry is not None and not _is_there(state, entry, fetch):
        cache.entries.pop(key, None)
        entry = None
    if entry is None:
        _note(state, run, cache, f"CACHE_MISS run {run.run_id} task {task_name}")
    else:
        _note(state, run, cache, f"CACHE_HIT run {run.run_id} task {task_name} {entry.s3_uri}")
    return entry


def is_saved(state: AccountState, run: Run, end: RunStatus | None, failure_reason: str | None) -> bool:
    """Whether a run saves what its finished tasks have made.

    :param end: how it ends.
    :param failure_reason: the code with which it fails, if it does.
    """
    if cache_of(state, run) is None:
        return False
    if end is RunStatus.COMPLETED:
        return bool(run.request["cacheBehavior"] == "CACHE_ALWAYS")
    if end is RunStatus.CANCELLED:
        return state.assumptions.cancelled_run_fills_cache
    return failure_reason not in _SAVES_NOTHING


def save_task(state: AccountState, run: Run, task: Task, key: str, files: Iterable[tuple[str, bytes]]) -> None:
    """Save what a finished task has made: its files, and the manifest of the entry beside them.

    :param key: as :func:`find_entry` takes it.
    :param files: path below the entry's folder and content; may raise :class:`S3Error` where one cannot be read.
    """
    cache = cache_of(state, run)
    if cache is None:
        return
    entry_id = str(uuid.uuid5(uuid.UUID(run.uuid), f"cacheEntry/{task.task_id}"))
    location = cache.settings["cacheS3Location"].rstrip("/")
    uri = f"{location}/{cache.uuid}/{run.run_id}/{task.task_id}/{entry_id}"
    try:
        heads = {path: state.aws.put_object(f"{uri}/{path}", content) for path, content in files}
        manifest = {
            "arn": f"{cache.arn}/cacheEntry/{entry_id}",
            "s3uri": uri,
            "taskArn": state.arn(f"task/{task.task_id}"),
            "files": [
                {"name": PurePosixPath(path).name, "path": path, "etag": head.etag} for path, head in heads.items()
            ],
            "otherOutputs": {},
            "version": _MANIFEST_VERSION,
        }
        state.aws.put_object(f"{uri}/{entry_id}.json", json.dumps(manifest, indent=2).encode())
    except S3Error as error:
        log.warning(
            "Run cache %s could not save task %s of run %s: %s", cache.cache_id, task.task_id, run.run_id, error
        )
        _note(state, run, cache, f"CACHE_ENTRY_FAILED run {run.run_id} task {task.task_id}: {error}")
        return
    cache.entries[key] = CacheEntry(uri, entry_id, tuple(heads), task.cpus, task.memory)
    _note(state, run, cache, f"CACHE_ENTRY_CREATED run {run.run_id} task {task.task_id} {uri}")


def save_finished_tasks(state: AccountState, run: Run) -> None:
    """Save the finished tasks of a simulated run that has just ended, if it saves any; those that failed are not."""
    keys = run.simulation.cache_keys if run.simulation is not None else None
    if not keys or not is_saved(state, run, run.end_status, run.failure_reason):
        return
    for task in run.tasks.values():
        if task.status is TaskStatus.COMPLETED and not task.cache_hit and task.task_id in keys:
            made_up = f"Simulated output of task {task.name} of run {run.run_id}\n".encode()
            save_task(state, run, task, keys[task.task_id], [(f"out/{task.name}.txt", made_up)])


def etags_of(state: AccountState, parameters: Any) -> dict[str, str | None]:
    """Return the etag of every object in S3 that parameters name, None for those that are not there."""
    return {uri: _etag(state, uri) for uri in sorted(set(_uris(parameters)))}


def _uris(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        return [value] if value.startswith("s3://") else []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [uri for each in inner for uri in _uris(each)]


def _etag(state: AccountState, uri: str) -> str | None:
    try:
        head = state.aws.head(uri)
    except S3Error:
        return None
    return head.etag if head else None


def _is_there(state: AccountState, entry: CacheEntry, fetch: Callable[[CacheEntry], None] | None) -> bool:
    if _etag(state, f"{entry.s3_uri}/{entry.entry_id}.json") is None:
        return False
    try:
        if fetch is not None:
            fetch(entry)
    except S3Error:
        return False
    return True


def _note(state: AccountState, run: Run, cache: RunCache, text: str) -> None:
    if run.request.get("logLevel") != "OFF":
        state.aws.put_log_lines(LOG_GROUP, f"runCache/{cache.cache_id}/{cache.uuid}", [(state.now(), text)])
