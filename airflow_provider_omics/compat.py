"""Everything that differs between the supported Airflow versions and that common-compat does not cover."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from airflow import __version__ as _airflow_version
from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException, conf

from airflow_provider_omics.healthomics.requests.identity import DagRunLife, TaskIdentity

_AIRFLOW = tuple(int(part) for part in _airflow_version.split(".")[:2])

if TYPE_CHECKING or _AIRFLOW >= (3, 2):
    from airflow.sdk import exceptions as _exceptions
else:
    from airflow import exceptions as _exceptions

if TYPE_CHECKING:
    from airflow.triggers.base import BaseEventTrigger as BaseEventTrigger
    from airflow.triggers.shared_stream import SharedStreamProducer as SharedStreamProducer
else:

    def __getattr__(name: str) -> Any:
        """Load what event triggers are made of when it is first asked for; before Airflow 3.0 there is no such thing.

        ``SharedStreamProducer`` is a base without content before Airflow 3.3, which never asks for one.
        """
        if name not in ("BaseEventTrigger", "SharedStreamProducer"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if _AIRFLOW < (3,):
            raise AirflowOptionalProviderFeatureException(
                f"Asset watchers need Airflow 3.0 or later; this is {_airflow_version}. To wait for a run or a batch "
                "here, use OmicsRunSensor or OmicsBatchSensor with deferrable=True"
            )
        if name == "BaseEventTrigger":
            from airflow.triggers.base import BaseEventTrigger

            return BaseEventTrigger
        if _AIRFLOW < (3, 3):
            return object
        from airflow.triggers.shared_stream import SharedStreamProducer

        return SharedStreamProducer


if TYPE_CHECKING or _AIRFLOW >= (3, 3):
    from airflow.sdk.definitions.retry_policy import RetryDecision as RetryDecision
    from airflow.sdk.definitions.retry_policy import RetryPolicy as RetryPolicy
else:
    # Stand-ins that nothing asks for anything.
    RetryDecision = RetryPolicy = object

__all__ = [
    "BASE_URL_SECTION",
    "DEFERRAL_ERRORS",
    "DELETED",
    "HAS_COHORT_PAGE",
    "HAS_TRIGGER_ON_KILL",
    "STATE_OUTLIVES_CLEAR",
    "RetryDecision",
    "RetryPolicy",
    "StateStore",
    "add_partitions",
    "dag_run_life",
    "heartbeat_timeout",
    "is_deferral_timeout",
    "is_just_cleared",
    "is_of_earlier_try",
    "retry_is_left",
    "state_store",
    "task_state",
    "tries_before_clear",
    "trigger_failure",
    "triggerer_can_render",
    "was_rescheduled",
]

BASE_URL_SECTION = "api" if _AIRFLOW >= (3,) else "webserver"
"""The section of Airflow's configuration that has the address under which users reach it."""

DEFERRAL_ERRORS: tuple[type[Exception], ...] = tuple(
    getattr(_exceptions, name) for name in ("TaskDeferralError", "TaskDeferralTimeout") if hasattr(_exceptions, name)
)
"""What a task is resumed with whose trigger has failed, or was late; in Airflow 3 these have no class in common."""

STATE_OUTLIVES_CLEAR = _AIRFLOW == (3, 3)
"""Whether a task's state store is still filled after a user has cleared the task, unless configured otherwise."""

HAS_TRIGGER_ON_KILL = _AIRFLOW >= (3, 3)
"""Whether Airflow calls a trigger's ``on_kill``; before, a trigger that is cancelled has to find out why."""

HAS_COHORT_PAGE = _AIRFLOW >= (3, 1)
"""Whether Airflow's web server shows pages of plugins that are made of a FastAPI application and an external view."""


def triggerer_can_render(template: object, *, own_macros: bool = False) -> bool:
    """Whether an argument may be given, unrendered, to a trigger that its task starts from.

    Airflow 3.3 is the first that renders it. There, a template that pulls an XCom is never answered by the
    triggerer, and the trigger hangs until its timeout.

    :param own_macros: whether the DAG has macros or filters of its own, which the triggerer does not know.
    """
    text = str(template)
    if "{{" not in text and "{%" not in text:
        return True
    return _AIRFLOW >= (3, 3) and not own_macros and "xcom" not in text.lower()


def trigger_failure(next_method: str, next_kwargs: Mapping[str, Any] | None) -> str | None:
    """Return why the trigger of a task that is resumed has failed; None if it fired, or its time was up."""
    if next_method != "__fail__":
        return None
    error = str((next_kwargs or {}).get("error", "Unknown"))
    return None if "timeout" in error.lower() else error


def was_rescheduled(context: Mapping[str, Any]) -> bool:
    """Whether a sensor in mode reschedule has polled before in this try."""
    ti = context["ti"]
    if _AIRFLOW >= (3,):
        return ti.get_first_reschedule_date(context) is not None
    from airflow.models.taskreschedule import TaskReschedule
    from airflow.utils.session import create_session

    with create_session() as session:
        names = ("dag_id", "task_id", "run_id", "map_index", "try_number")
        key = {name: getattr(ti, name) for name in names}
        return session.query(TaskReschedule.id).filter_by(**key).first() is not None


def is_deferral_timeout(error: Exception) -> bool:
    """Whether a deferred task was resumed since its time was up, and not since its trigger failed."""
    # Airflow 3 raises a class of its own, Airflow 2 only says so.
    return type(error).__name__ == "TaskDeferralTimeout" or "timeout" in str(error).lower()


def heartbeat_timeout() -> float:
    """Return after how many seconds without a sign of life Airflow counts a task as lost."""
    name = "task_instance_heartbeat_timeout" if _AIRFLOW >= (3,) else "scheduler_zombie_task_threshold"
    return float(conf.getint("scheduler", name, fallback=300))


def retry_is_left(ti: Any) -> bool:
    """Whether Airflow would try a task instance again if this try failed."""
    return bool(ti.try_number <= ti.max_tries)


def tries_before_clear(ti: Any) -> int:
    """Return how many tries of a task instance were over when a user last cleared it; 0 if nobody did."""
    tries, retries = getattr(ti, "max_tries", None), getattr(getattr(ti, "task", None), "retries", None)
    # At a clear Airflow allows as many further tries as the task has retries.
    return max(0, tries - retries) if isinstance(tries, int) and isinstance(retries, int) else 0


def dag_run_life(context: Mapping[str, Any]) -> DagRunLife:
    """Return which life of the DAG run a task belongs to, as far as Airflow tells what differs between two of them."""
    dag_run = context.get("dag_run")
    if dag_run is None:
        return DagRunLife()
    # The first is Airflow 2's, the second Airflow 3's; both outlast a clear. The third gets a new value where a DAG
    # run that had ended is cleared, and only that one differs where the scheduler has created a DAG run again.
    facts = [getattr(dag_run, name, None) for name in ("id", "run_after", "start_date")]
    is_certain = not getattr(dag_run, "clear_number", None)
    began = facts[2] if is_certain else facts[1] or getattr(dag_run, "logical_date", None)
    since = began.timestamp() if isinstance(began, datetime) else None
    if all(fact is None for fact in facts):
        return DagRunLife(since=since)
    return DagRunLife.of([_in_utc(fact) for fact in facts], is_certain=is_certain, since=since)


def _in_utc(fact: object) -> object:
    return fact.astimezone(UTC).isoformat() if isinstance(fact, datetime) else fact


def is_just_cleared(ti: Any) -> bool:
    """Whether a user cleared the task right before this try; what waited for its job may still be stopping it."""
    cleared = tries_before_clear(ti)
    return cleared > 0 and ti.try_number == cleared + 1


def add_partitions(event: Any, keys: list[str]) -> bool:
    """Have an asset event made for each partition key; False where this Airflow has none, as before 3.3.

    :param event: of an outlet of the task.
    :raises ValueError: a key is empty, or longer than 250 characters.
    """
    if not hasattr(event, "add_partitions"):
        return False
    event.add_partitions(keys)
    return True


class StateStore(Protocol):
    """What a task instance keeps from try to try."""

    def get(self, key: str) -> Any:
        """Return what is kept; None if there is nothing."""

    def set(self, key: str, value: Any, *, retention: timedelta | None) -> None:
        """Keep a value of JSON."""


def state_store(context: Mapping[str, Any]) -> tuple[StateStore, Any] | None:
    """Return the task's state store and the retention that means "for ever"; None before Airflow 3.3."""
    if _AIRFLOW < (3, 3) or "task_state_store" not in context:
        return None
    from airflow.sdk.execution_time.context import NEVER_EXPIRE

    return context["task_state_store"], NEVER_EXPIRE


def is_of_earlier_try(error: Exception) -> bool:
    """Whether Airflow refused something since the try of the task that asks is over, for all that Airflow knows."""
    # Each try has an id of its own, which is not found any more once the next one was made.
    detail = getattr(getattr(error, "error", None), "detail", None)
    return isinstance(detail, Mapping) and detail.get("status_code") in (404, 410)


DELETED = "deleted"
"""State of a task instance that is not there, as after its DAG run was deleted."""


def task_state(task: TaskIdentity) -> str | None:
    """Ask Airflow which state a task instance has; blocks, and must not be called from a signal handler.

    :return: the state; None where it has none, as before it is scheduled; ``deleted`` where there is no such task
        instance.
    """
    if _AIRFLOW < (3,):
        return _task_state_in_database(task)
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    index = task.map_index if task.map_index >= 0 else None
    states = RuntimeTaskInstance.get_task_states(
        dag_id=task.dag_id, task_ids=[task.task_id], run_ids=[task.dag_run_id], map_index=index
    )
    key = task.task_id if index is None else f"{task.task_id}_{index}"
    state = states.get(task.dag_run_id, {}).get(key, DELETED)
    return None if state is None else str(getattr(state, "value", state))


def _task_state_in_database(task: TaskIdentity) -> str | None:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        query = session.query(TaskInstance.state).filter_by(**task.to_payload())
        found: tuple[str | None] | None = query.one_or_none()
        return DELETED if found is None else found[0]
