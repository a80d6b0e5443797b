"""Idempotency keys of jobs: the same key always has the same request id, and is found by name and tags.

0.1.0 knew neither the namespace of a deployment nor that a DAG run can be created again, and counted more members of a
request as what is computed. Its jobs are known by the key that a job had then.
"""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# Never change it: runs that are under way were started with ids made from it.
_NAMESPACE = uuid.UUID("6a8f0f1e-52a5-5d0e-9a3c-3d7b9f1c7a10")

INTENT_TAG = "airflow-intent"
GENERATION_TAG = "airflow-generation"
NAMESPACE_TAG = "airflow-namespace"
TASK_TAG = "airflow-task-instance"
"""Tag with the keys of task instance and DAG run, by which jobs of the task are found whatever they compute."""
FINISHED_TAG = "airflow-finished-try"
"""Tag that a job gets once its task has succeeded with it: the try that did."""
MAX_RUN_NAME = 128
MAX_BATCH_NAME = 64
_MAX_TAG_VALUE = 256
# By how much the clocks of Airflow and of the service may differ.
_MOST_SKEW = 900.0


@dataclass(frozen=True)
class TaskIdentity:
    """Identity of a task instance, whatever its try.

    :param map_index: index of a mapped task; -1 for others.
    """

    dag_id: str
    dag_run_id: str
    task_id: str
    map_index: int = -1

    @classmethod
    def of(cls, ti: Any) -> TaskIdentity:
        """Read the identity of an Airflow task instance."""
        return cls(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)

    def to_payload(self) -> dict[str, Any]:
        """Return the identity as JSON values, by Airflow's names."""
        return {"dag_id": self.dag_id, "run_id": self.dag_run_id, "task_id": self.task_id, "map_index": self.map_index}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> TaskIdentity:
        """Read what :meth:`to_payload` wrote."""
        return cls(payload["dag_id"], payload["run_id"], payload["task_id"], payload["map_index"])


@dataclass(frozen=True)
class DagRunLife:
    """Life of a DAG run: one that is deleted and created again with the same id begins another.

    :param key: differs between two lives; empty where Airflow tells nothing.
    :param is_certain: whether the key has been the same all the time; clearing may give a DAG run another.
    :param since: when it began at the earliest, in seconds since the epoch by Airflow's clock; None if not known.
    """

    key: str = ""
    is_certain: bool = False
    since: float | None = None

    @classmethod
    def of(cls, facts: Sequence[object], *, is_certain: bool, since: float | None) -> DagRunLife:
        """Make the key of facts that two lives do not share."""
        key = uuid.uuid5(_NAMESPACE, "\x1f".join(map(str, facts))).hex[:12]
        return cls(key, is_certain, since)

    def may_have(self, created_at: float | None) -> bool:
        """Whether a job is young enough, in seconds since the epoch by the service's clock."""
        return created_at is None or self.since is None or created_at >= self.since - _MOST_SKEW

    def is_life(self, key: str, created_at: float | None) -> bool:
        """Whether a job with the key of a life, which may be empty, belongs to this one."""
        if key and self.key and (key == self.key or self.is_certain):
            return key == self.key
        return self.may_have(created_at)


class Owner(StrEnum):
    """Owner of a job: the same request of the task, the same before there were namespaces, or another request of it."""

    SAME_REQUEST = "same request"
    SAME_REQUEST_OF_0_1_0 = "same request of 0.1.0"
    OTHER_REQUEST = "other request"


@dataclass(frozen=True)
class JobKey:
    """Idempotency key of a job: the task instance, and what it has computed.

    :param fingerprint: digest of the request; a map index can come back as another sample. A cohort leaves it open,
        since each of its samples is told apart by its own settings.
    :param namespace: the Airflow deployment; empty for what 0.1.0 did.
    :param dag_run: the life of the DAG run.
    :param old_fingerprint: the digest that 0.1.0 made of the request; None if it is the same.
    """

    task: TaskIdentity
    fingerprint: str
    namespace: str = ""
    dag_run: DagRunLife = field(default_factory=DagRunLife)
    old_fingerprint: str | None = None

    @property
    def key(self) -> str:
        """The key as a UUID, equal for every try of the task."""
        return self._uuid(*self._task_parts, self.fingerprint)

    @property
    def task_key(self) -> str:
        """The task instance as a UUID, whatever it asks to be computed."""
        return self._uuid(*self._task_parts)

    @property
    def key_of_0_1_0(self) -> str:
        """The UUID of the key in 0.1.0."""
        return self._of_0_1_0.key

    @property
    def _of_0_1_0(self) -> JobKey:
        return JobKey(self.task, self.old_fingerprint or self.fingerprint)

    @property
    def _task_parts(self) -> tuple[str, str, str, str]:
        task = self.task
        return task.dag_id, task.dag_run_id, task.task_id, str(task.map_index)

    def _uuid(self, *parts: str) -> str:
        base = uuid.uuid5(_NAMESPACE, self.namespace) if self.namespace else _NAMESPACE
        return str(uuid.uuid5(base, "\x1f".join(parts)))

    def request_id(self, generation: int, digest: str = "") -> str:
        """Return the request id of one job.

        :param generation: 0 for the first job; one more each time a job of this key was seen to fail.
        :param digest: of what this one job computes, where the key leaves that open.
        """
        parts = (self.key, str(generation), digest) if digest else (self.key, str(generation))
        base = uuid.uuid5(_NAMESPACE, self.dag_run.key) if self.dag_run.key else _NAMESPACE
        return str(uuid.uuid5(base, "\x1f".join(parts)))

    def default_name(self, longest: int = MAX_RUN_NAME) -> str:
        """Return the name of jobs that were not given one and have no tags: readable, and unique to this key.

        :param longest: most characters.
        """
        return self._name(self.key, longest)

    def task_name(self, longest: int = MAX_RUN_NAME) -> str:
        """Return the name of jobs that were not given one and have tags: readable, and unique to the task instance.

        :param longest: most characters.
        """
        return self._name(self.task_key, longest)

    def name_of_0_1_0(self, longest: int = MAX_RUN_NAME) -> str:
        """Return the name that 0.1.0 gave jobs that were not given one.

        :param longest: most characters.
        """
        return self._of_0_1_0.default_name(longest)

    def _name(self, key: str, longest: int) -> str:
        suffix = f"-{key.partition('-')[0]}"
        mapped = f"[{self.task.map_index}]" if self.task.map_index >= 0 else ""
        readable = _printable(f"{self.task.dag_id}.{self.task.task_id}{mapped}")
        return readable[: longest - len(suffix)] + suffix

    def owner(self, tags: Mapping[str, str], name: str | None, created_at: float | None = None) -> Owner | None:
        """Return for whom a run or a batch was started, by its tags or else by its default name; None for strangers.

        :param created_at: when it was created, in seconds since the epoch by the service's clock.
        """
        tagged = tags.get(INTENT_TAG)
        if tagged is None:
            return self._owner_of_name(name) if self.dag_run.may_have(created_at) else None
        task, _, life = tags.get(TASK_TAG, "").partition(".")
        if not task and tagged == self.key_of_0_1_0:
            return Owner.SAME_REQUEST_OF_0_1_0 if self.dag_run.may_have(created_at) else None
        if task != self.task_key or not self.dag_run.is_life(life, created_at):
            return None
        return Owner.SAME_REQUEST if tagged == self.key else Owner.OTHER_REQUEST

    def _owner_of_name(self, name: str | None) -> Owner | None:
        # Without tags only the default name can tell, since it carries the key.
        if name in (self.default_name(), self.default_name(MAX_BATCH_NAME)):
            return Owner.SAME_REQUEST
        return (
            Owner.SAME_REQUEST_OF_0_1_0 if name in (self.name_of_0_1_0(), self.name_of_0_1_0(MAX_BATCH_NAME)) else None
        )

    def tags(self, generation: int) -> dict[str, str]:
        """Return the tags by which a later try, or a person, finds the job."""
        task = self.task
        tags = {
            "airflow-dag-id": task.dag_id,
            "airflow-run-id": task.dag_run_id,
            "airflow-task-id": task.task_id,
            "airflow-map-index": str(task.map_index),
            NAMESPACE_TAG: self.namespace,
        }
        return {
            **{key: _tag_value(value) for key, value in tags.items()},
            TASK_TAG: f"{self.task_key}.{self.dag_run.key}",
            INTENT_TAG: self.key,
            GENERATION_TAG: str(generation),
        }


TAG_COUNT = 9
"""How many tags the provider gives a run: those of :meth:`JobKey.tags`, and later ``FINISHED_TAG``."""


def namespace_tag(namespace: str) -> str:
    """Return the namespace of a deployment as jobs carry it in ``NAMESPACE_TAG``."""
    return _tag_value(namespace)


def generation_of(tags: Mapping[str, str], default: int) -> int:
    """Return which job of its key a job is, by its tags.

    :param default: for a job whose tags do not tell; anybody may write what is no number there.
    """
    noted = tags.get(GENERATION_TAG, "")
    return int(noted) if re.fullmatch("[0-9]{1,9}", noted) else default


def _printable(text: str) -> str:
    return "".join(char for char in text if unicodedata.category(char)[0] != "C")


def _tag_value(text: str) -> str:
    # What AWS allows in a tag's value; anything else would make it refuse the whole run.
    return re.sub(r"[^\w\s+\-=.:/@]", "_", _printable(text))[:_MAX_TAG_VALUE]
