"""Who asks for a job: the same intent always asks with the same id, and is found by name and tags."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Never change it: runs that are under way were started with ids made from it.
_NAMESPACE = uuid.UUID("6a8f0f1e-52a5-5d0e-9a3c-3d7b9f1c7a10")

INTENT_TAG = "airflow-intent"
GENERATION_TAG = "airflow-generation"
MAX_RUN_NAME = 128
MAX_BATCH_NAME = 64
_MAX_TAG_VALUE = 256


@dataclass(frozen=True)
class TaskIdentity:
    """One task instance, whatever its try.

    :param run_id: the DAG run's id, not a HealthOmics run's.
    :param map_index: index of a mapped task; -1 for others.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    @classmethod
    def of(cls, ti: Any) -> TaskIdentity:
        """Read the identity of an Airflow task instance."""
        return cls(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)


@dataclass(frozen=True)
class Intent:
    """One job that a task instance wants: the task instance and what it asks to be computed.

    :param fingerprint: digest of the request; a map index can come back as another sample. A cohort leaves it open,
        since each of its samples is told apart by its own settings.
    """

    task: TaskIdentity
    fingerprint: str

    @property
    def key(self) -> str:
        """The intent as a UUID, equal for every try of the task."""
        task = self.task
        parts = (task.dag_id, task.run_id, task.task_id, str(task.map_index), self.fingerprint)
        return str(uuid.uuid5(_NAMESPACE, "\x1f".join(parts)))

    def request_id(self, generation: int, asked: str = "") -> str:
        """Return the id to ask with.

        :param generation: 0 for the first job; one more each time a job of this intent was seen to fail.
        :param asked: digest of what this one job computes, where the intent leaves that open.
        """
        parts = (self.key, str(generation), asked) if asked else (self.key, str(generation))
        return str(uuid.uuid5(_NAMESPACE, "\x1f".join(parts)))

    def default_name(self, longest: int = MAX_RUN_NAME) -> str:
        """Return the name of jobs that were not given one: readable, and unique to this intent.

        :param longest: most characters.
        """
        suffix = f"-{self.key.partition('-')[0]}"
        mapped = f"[{self.task.map_index}]" if self.task.map_index >= 0 else ""
        readable = _printable(f"{self.task.dag_id}.{self.task.task_id}{mapped}")
        return readable[: longest - len(suffix)] + suffix

    def owns(self, tags: Mapping[str, str], name: str | None) -> bool:
        """Whether a run or a batch was started for this intent, by its tags or else by its default name."""
        tagged = tags.get(INTENT_TAG)
        # Without tags only the default name can tell, since it carries the intent.
        return tagged == self.key if tagged else name in (self.default_name(), self.default_name(MAX_BATCH_NAME))

    def tags(self, generation: int) -> dict[str, str]:
        """Return the tags by which a later try, or a person, finds the job."""
        task = self.task
        tags = {
            "airflow-dag-id": task.dag_id,
            "airflow-run-id": task.run_id,
            "airflow-task-id": task.task_id,
            "airflow-map-index": str(task.map_index),
        }
        return {
            **{key: _tag_value(value) for key, value in tags.items()},
            INTENT_TAG: self.key,
            GENERATION_TAG: str(generation),
        }


TAG_COUNT = 6
"""How many tags :meth:`Intent.tags` gives."""


def _printable(text: str) -> str:
    return "".join(char for char in text if unicodedata.category(char)[0] != "C")


def _tag_value(text: str) -> str:
    # What AWS allows in a tag's value; anything else would make it refuse the whole run.
    return re.sub(r"[^\w\s+\-=.:/@]", "_", _printable(text))[:_MAX_TAG_VALUE]
