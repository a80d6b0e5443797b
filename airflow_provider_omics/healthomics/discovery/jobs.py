"""Discovery of the jobs that earlier tries of a task started, runs and batches alike, by name and tags."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Request, Requests, list_pages
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.service_errors import ErrorCategory, categorize
from airflow_provider_omics.healthomics.requests.identity import (
    FINISHED_TAG,
    INTENT_TAG,
    MAX_BATCH_NAME,
    MAX_RUN_NAME,
    JobKey,
    Owner,
    generation_of,
)

MOST_LISTED = 10_000
"""Most jobs of one name that are listed."""
MOST_READ = 500
"""Most jobs that are read one by one, the newest first."""

# The clocks of Airflow and of the service may differ.
_LEEWAY = 3600.0
_SKEW = 60.0


@dataclass(frozen=True)
class JobApi:
    """API of one kind of job: the operations and members by which it is listed and shown."""

    label: str
    list_operation: str
    page_size: str
    created: str
    get_operation: str
    id_member: str
    longest_name: int

    def get(self, job_id: str) -> Request:
        """Return the call that shows one job."""
        return Request(self.get_operation, {self.id_member: job_id})


RUN_API = JobApi("run", "ListRuns", "maxResults", "creationTime", "GetRun", "id", MAX_RUN_NAME)
BATCH_API = JobApi("batch", "ListBatch", "maxItems", "createdAt", "GetBatch", "batchId", MAX_BATCH_NAME)


@dataclass(frozen=True)
class EarlierJob:
    """Run or batch that an earlier try of a task started.

    :param generation: which job of its key it is, 0 for the first.
    :param answer: what GetRun or GetBatch shows of it.
    """

    job_id: str
    generation: int
    owner: Owner
    answer: Mapping[str, Any]

    @property
    def tags(self) -> Mapping[str, str]:
        """The job's tags."""
        tags: Mapping[str, str] = self.answer.get("tags") or {}
        return tags

    @property
    def finished_try(self) -> int | None:
        """The try of the task that ended well with the job; None if none is known to have."""
        noted = self.tags.get(FINISHED_TAG, "")
        return int(noted) if noted.isdecimal() else None

    @property
    def is_noted_on_success(self) -> bool:
        """Whether the job would have been noted if its task had ended well with it."""
        return self.owner is Owner.SAME_REQUEST and INTENT_TAG in self.tags


@dataclass(frozen=True)
class Discovery:
    """Jobs of a task that were found.

    :param jobs: the jobs of the key, oldest first.
    :param others: jobs that the task started when it asked for something else, newest first.
    :param unread: how many jobs of the names looked for were not read, since there are too many.
    """

    jobs: tuple[EarlierJob, ...] = ()
    others: tuple[EarlierJob, ...] = ()
    unread: int = 0


def names_of(api: JobApi, key: JobKey, name: str | None, *, tagged: bool) -> tuple[str, ...]:
    """Return the names that jobs of a task can have, the one that new jobs get first.

    :param name: name that the user gave; None for the default.
    :param tagged: whether jobs carry the key as tags.
    """
    if name:
        return (name,)
    own = key.task_name if tagged else key.default_name
    names = (own(api.longest_name), key.name_of_0_1_0(api.longest_name))
    return tuple(dict.fromkeys(names))


def find_jobs(
    api: JobApi,
    key: JobKey,
    names: Sequence[str],
    *,
    newest_is_enough: bool = False,
    since: float | None = None,
    most: int = MOST_READ,
) -> Requests[Discovery]:
    """Find what earlier tries started for a task (ListRuns and GetRun, or ListBatch and GetBatch).

    Jobs that are older than the task's DAG run are not read.

    :param names: names that the jobs were given; see :func:`names_of`.
    :param newest_is_enough: whether older jobs do not matter once one of the key was found by its tags.
    :param since: when the oldest job that matters was created, in seconds since the epoch; None for the DAG run's time.
    :param most: how many jobs are read one by one, the newest first.
    """
    oldest = max((at - leeway for at, leeway in ((key.dag_run.since, _LEEWAY), (since, _SKEW)) if at), default=None)
    listed, unread = yield from list_named(api, names, oldest)
    jobs: list[EarlierJob] = []
    others: list[EarlierJob] = []
    for place, job_id in enumerate(listed):
        if place >= most:
            unread += len(listed) - place
            break
        answer = yield from show(api, job_id)
        owner = _owner(key, answer)
        if owner is None:
            continue
        generation = generation_of(answer.get("tags") or {}, -1)
        found = EarlierJob(job_id, generation, owner, answer)
        (others if owner is Owner.OTHER_REQUEST else jobs).append(found)
        if newest_is_enough and owner is not Owner.OTHER_REQUEST and INTENT_TAG in found.tags:
            break
    return Discovery(tuple(_in_order(jobs)), tuple(others), unread)


def seconds(moment: object) -> float | None:
    """Return a time of an answer in seconds since the epoch; None where there is none."""
    return moment.timestamp() if isinstance(moment, datetime) else None


def find_unanswered(found: Discovery, generation: int, since: float | None) -> EarlierJob | None:
    """Return the job that a call made whose answer was lost on its way; None if there is none.

    :param generation: which job of its key the call was for.
    :param since: when the call began, by this machine's clock, where no earlier call can have been for that job.
    """
    for job in found.jobs:
        is_recent = since is None or was_created_since(job.answer, since)
        if job.generation == generation and job.owner is Owner.SAME_REQUEST and is_recent:
            return job
    return None


def was_created_since(answer: Mapping[str, Any], since: float, leeway: float = 2.5) -> bool:
    """Return whether a job was created at a time of this machine's clock or later.

    :param answer: what GetRun or GetBatch shows of it.
    :param since: in seconds since the epoch.
    :param leeway: by how many seconds the clocks may differ beyond what the answer's date tells.
    """
    created = seconds(answer.get("creationTime"))
    if created is None:
        return True
    # The service may give whole seconds.
    rounded = 1.0 if created.is_integer() else 0.0
    return created + rounded + leeway >= since + _clock_lead(answer)


def log_unread(api: JobApi, names: Sequence[str], found: Discovery, log: Log) -> None:
    """Log that there were too many jobs of the names looked for to read each."""
    if found.unread:
        log.warning(
            "%s",
            entry(
                "Of the %ss named %r only the newest %s were looked at; %s or more were left out. "
                "Give the task's jobs a name that fewer have",
                api.label,
                names[0],
                f"{MOST_READ:,}",
                f"{found.unread:,}",
            ),
        )


def _clock_lead(answer: Mapping[str, Any]) -> float:
    """Return by how many seconds the service's clock is ahead of this machine's, by an answer's date."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        lead = parsedate_to_datetime(headers["date"]).timestamp() - time.time()
    except (KeyError, TypeError, ValueError):
        return 0.0
    # The date has whole seconds.
    return 0.0 if -2.0 < lead < 1.0 else lead


def list_named(api: JobApi, names: Sequence[str], oldest: float | None) -> Requests[tuple[list[str], int]]:
    """Return the ids of all jobs of these names, newest first, and how many were not listed (ListRuns or ListBatch).

    :param oldest: leave out those that were created before, in seconds since the epoch; None for none.
    """
    listed: dict[str, float] = {}
    unread = 0
    for name in names:
        count = 0

        def take(page: Mapping[str, Any], name: str = name) -> bool:
            nonlocal count
            items = page.get("items") or ()
            count += len(items)
            for item in items:
                created = seconds(item.get(api.created))
                is_young = created is None or oldest is None or created >= oldest
                if item.get("name") == name and is_young:
                    listed[item["id"]] = created or 0.0
            return count >= MOST_LISTED

        yield from list_pages(api.list_operation, take, name=name, **{api.page_size: PAGE_SIZE})
        unread += count >= MOST_LISTED
    # Where times are equal or missing, ids grow as a rule.
    return sorted(listed, key=lambda job_id: (listed[job_id], len(job_id), job_id), reverse=True), unread


def show(api: JobApi, job_id: str) -> Requests[Mapping[str, Any]]:
    """Return what the service shows of one job (GetRun or GetBatch); nothing if it does not know it."""
    try:
        answer: Mapping[str, Any] = yield api.get(job_id)
    except ClientError as error:
        if categorize(error) is ErrorCategory.NOT_FOUND:
            return {}
        raise
    return answer


def _owner(key: JobKey, answer: Mapping[str, Any]) -> Owner | None:
    if not answer:
        return None
    return key.owner(answer.get("tags") or {}, answer.get("name"), seconds(answer.get("creationTime")))


def _in_order(newest_first: Sequence[EarlierJob]) -> list[EarlierJob]:
    """Return jobs oldest first; those whose tags do not tell their generation get it from the order."""
    numbered: list[EarlierJob] = []
    for job in reversed(newest_first):
        generation = len(numbered) if job.generation < 0 else job.generation
        numbered.append(replace(job, generation=generation))
    return sorted(numbered, key=lambda job: job.generation)
