"""What the server remembers: plain records, named as the API names them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.statuses import BatchStatus, RunStatus, SubmissionStatus, TaskStatus
from airflow_provider_omics.local.artefacts.declarations import Declarations

if TYPE_CHECKING:
    from airflow_provider_omics.local.executors.outcomes import Simulation


@dataclass(frozen=True, slots=True)
class TaskUse:
    """What a task has used of what it reserved: vCPUs and GiB of memory, each at most and on average over its time."""

    cpus_average: float
    cpus_maximum: float
    memory_average: float
    memory_maximum: float


@dataclass(frozen=True, slots=True)
class StorageUse:
    """What a run has used of its storage, in GiB, at most and on average over its time."""

    average: float
    maximum: float


@dataclass(slots=True)
class Task:
    """One task of a run.

    :ivar memory: reserved, in GiB.
    :ivar image: container image that it asks for, if it asks for one.
    :ivar use: as it was measured; None for a task that nobody has measured.
    :ivar cache_s3_uri: where the outputs lie that it took from a run cache in place of running.
    """

    task_id: str
    name: str
    status: TaskStatus
    creation_time: datetime
    cpus: int = 1
    gpus: int = 0
    memory: int = 2
    instance_type: str = "omics.c.large"
    start_time: datetime | None = None
    stop_time: datetime | None = None
    failure_reason: str | None = None
    status_message: str | None = None
    cache_hit: bool = False
    cache_s3_uri: str | None = None
    image: str | None = None
    use: TaskUse | None = None


@dataclass(slots=True)
class Run:
    """One run.

    :ivar request: the StartRun members as they hold for this run: defaults merged, nothing invented.
    :ivar output_root: what ``runOutputUri`` says.
    :ivar sequence: place in the order of creation; never reused, unlike ``run_id``.
    :ivar request_id: of the StartRun or StartRunBatch call that it comes from.
    :ivar parameters_link: where the service's copy of the parameters can be fetched, once ``parametersUri`` was read.
    :ivar earlier: statuses that it had and until when, kept only while lists lag behind.
    :ivar configuration: as it was when the run was started; it may have been deleted since.
    :ivar end_status: how it has ended, which a deleted run no longer shows as its status; None until then.
    :ivar digests: ``etag:...`` of every object that it has read, by URI.
    :ivar storage_use: as it was measured; None for a run that nobody has measured.
    :ivar simulation: what a simulated run does; None for one that is really run, or has not begun.
    """

    run_id: str
    uuid: str
    arn: str
    status: RunStatus
    request: dict[str, Any]
    workflow: Workflow
    version_name: str | None
    creation_time: datetime
    output_root: str
    tags: dict[str, str] = field(default_factory=dict)
    batch_id: str | None = None
    run_setting_id: str | None = None
    start_time: datetime | None = None
    stop_time: datetime | None = None
    failure_reason: str | None = None
    status_message: str | None = None
    tasks: dict[str, Task] = field(default_factory=dict)
    cancel_requested: bool = False
    sequence: int = 0
    request_id: str | None = None
    parameters_link: str | None = None
    earlier: tuple[tuple[datetime, RunStatus], ...] = ()
    configuration: Configuration | None = None
    end_status: RunStatus | None = None
    digests: Mapping[str, str] | None = None
    storage_use: StorageUse | None = None
    simulation: Simulation | None = None

    def task_uuid(self, task: Task) -> str:
        """Return the uuid of one of its tasks."""
        return str(uuid.uuid5(uuid.UUID(self.uuid), task.task_id))


@dataclass(slots=True)
class Workflow:
    """A workflow, or one version of it (then ``version_name`` is set).

    :ivar definition_zip: the zipped definition, for private workflows that carry one.
    :ivar profile_parameter_templates: parameter templates by Nextflow profile; nothing but a test sets them.
    :ivar readme: text of the README that came with the request or inside the definition.
    :ivar declared: the outputs that the definition declares.
    """

    workflow_id: str
    uuid: str
    arn: str
    name: str | None
    status: str
    workflow_type: str
    engine: str
    creation_time: datetime
    request: dict[str, Any] = field(default_factory=dict)
    definition_zip: bytes | None = None
    main: str | None = None
    digest: str | None = None
    parameter_template: dict[str, Any] = field(default_factory=dict)
    profile_parameter_templates: dict[str, dict[str, Any]] = field(default_factory=dict)
    storage_type: str | None = None
    storage_capacity: int | None = None
    status_message: str | None = None
    readme: str | None = None
    owner_id: str | None = None
    version_name: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    versions: dict[str, Workflow] = field(default_factory=dict)
    declared: Declarations = field(default_factory=Declarations)


@dataclass(slots=True)
class RunGroup:
    """A run group with its limits."""

    group_id: str
    arn: str
    creation_time: datetime
    settings: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """What a run cache has saved of one task.

    :ivar s3_uri: the folder that it lies in.
    :ivar files: paths of the task's files below the folder.
    :ivar cpus: that the task has reserved.
    :ivar memory: that it has reserved, in GiB.
    """

    s3_uri: str
    entry_id: str
    files: tuple[str, ...] = ()
    cpus: int = 1
    memory: int = 2


@dataclass(slots=True)
class RunCache:
    """A run cache.

    :ivar entries: what it has saved, by a key of all that a task's outputs depend on.
    """

    cache_id: str
    uuid: str
    arn: str
    status: str
    creation_time: datetime
    settings: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    entries: dict[str, CacheEntry] = field(default_factory=dict)


@dataclass(slots=True)
class Configuration:
    """A configuration of VPC networking.

    :ivar vpc_config: as it was given, with the ``vpcId`` that the service adds.
    :ivar sequence: place in the order of creation.
    """

    name: str
    uuid: str
    arn: str
    status: str
    creation_time: datetime
    vpc_config: dict[str, Any]
    sequence: int
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class BatchEntry:
    """One run setting of a batch and what became of it.

    :ivar setting: the InlineSetting as JSON text, which takes a fraction of the parsed object's memory; None
        once it was submitted.
    :ivar submission_status: None until the submission was tried.
    :ivar submitted_at: when its outcome was first known.
    """

    run_setting_id: str
    setting: str | None
    submission_status: SubmissionStatus | None = None
    run_id: str | None = None
    run_uuid: str | None = None
    run_arn: str | None = None
    failure_reason: str | None = None
    failure_message: str | None = None
    submitted_at: datetime | None = None


@dataclass(slots=True)
class Batch:
    """One run batch.

    :ivar total_runs: None until the run settings were read.
    :ivar etag: of the object with the run settings, as it was during the StartRunBatch call.
    :ivar positions: index of each run setting id in ``entries``.
    :ivar shuffled: the same indexes in an order that has nothing to do with the input's; empty until it is asked for.
    :ivar submission_counts: members of ``submissionSummary``, kept up to date with every submission.
    :ivar run_counts: members of ``runSummary``, kept up to date with every change of a run.
    :ivar shown_run_counts: ``run_counts`` as they were at ``shown_at``, for answers that lag behind.
    :ivar attempted: whether the cancel or delete that is under way was tried on every entry.
    """

    batch_id: str
    uuid: str
    arn: str
    status: BatchStatus
    request: dict[str, Any]
    creation_time: datetime
    name: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    entries: list[BatchEntry] = field(default_factory=list)
    submitted_time: datetime | None = None
    processed_time: datetime | None = None
    failed_time: datetime | None = None
    failure_reason: str | None = None
    total_runs: int | None = None
    etag: str | None = None
    positions: dict[str, int] = field(default_factory=dict)
    shuffled: list[int] = field(default_factory=list)
    submission_counts: dict[str, int] = field(default_factory=dict)
    run_counts: dict[str, int] = field(default_factory=dict)
    shown_run_counts: dict[str, int] = field(default_factory=dict)
    shown_at: datetime | None = None
    attempted: bool = False
