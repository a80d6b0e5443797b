"""Cancellation table: why a task stops waiting for a job that goes on, and whether the job is cancelled or left.

``docs/recovery.md`` shows it to users. The operators and the triggers find out why, and do what :func:`decide` says.
"""

from __future__ import annotations

from enum import Enum, auto


class Decision(Enum):
    """What becomes of a job whose task stops waiting for it; ASK_AIRFLOW: that depends on who has ended the task."""

    CANCEL = auto()
    LEAVE = auto()
    ASK_AIRFLOW = auto()


_CANCEL, _LEAVE, _ASK = Decision.CANCEL, Decision.LEAVE, Decision.ASK_AIRFLOW


class CancelReason(Enum):
    """Why a task stops waiting for a job that goes on.

    :ivar what: what happened to the task, for its log.
    :ivar with_retry: what becomes of the job if Airflow tries the task again after a failure.
    :ivar last_try: what becomes of it if Airflow does not.
    """

    #                    what happened to the task                       with_retry  last_try
    KILLED = ("was killed", _ASK, _CANCEL)
    WORKER_ENDED = ("was killed, but counts as one to be tried", _LEAVE, _CANCEL)
    UNEXPLAINED = ("was killed, and Airflow does not tell why", _LEAVE, _CANCEL)
    MARKED = ("was killed by a user who marked it", _CANCEL, _CANCEL)
    CLEARED = ("was killed by a user who cleared it", _CANCEL, _CANCEL)
    DAG_RUN_ENDED = ("was killed with its DAG run, which timed out or was deleted", _CANCEL, _CANCEL)
    # on_timeout has a say too; see decide().
    EXECUTION_TIMEOUT = ("has reached its execution_timeout", _CANCEL, _CANCEL)
    ATTEMPTS_USED_UP = ("has used up waiter_max_attempts with no retry left", _LEAVE, _CANCEL)
    POLLS_FAILED = ("has met nothing but errors of polling", _LEAVE, _LEAVE)
    TRIGGER_FAILED = ("has a trigger that failed", _LEAVE, _LEAVE)
    TRIGGERER_ENDED = ("is waited for by another triggerer", _LEAVE, _LEAVE)

    def __init__(self, what: str, with_retry: Decision, last_try: Decision) -> None:
        self.what = what
        self.with_retry = with_retry
        self.last_try = last_try


def decide(
    reason: CancelReason, *, cancel_on_kill: bool, retry_left: bool = True, on_timeout: str = "cancel"
) -> Decision:
    """Return what becomes of a job that goes on although its task stops waiting for it.

    :param cancel_on_kill: whether the job may be cancelled at all.
    :param retry_left: whether Airflow tries the task again, and that try takes the job over.
    :param on_timeout: ``cancel`` or ``detach``, at the task's ``execution_timeout``.
    """
    if not cancel_on_kill or (reason is CancelReason.EXECUTION_TIMEOUT and on_timeout != "cancel"):
        return Decision.LEAVE
    return reason.with_retry if retry_left else reason.last_try


# With these Airflow, and no user, has ended a try in a worker that is drained, or that counts as lost and is not. The
# next try may be on its way already, or wait for the job. None is what a new scheduler leaves of the tasks of one that
# died; a task that a user clears while it runs is "restarting".
_ENDED_BY_AIRFLOW = ("running", "up_for_retry", None, "scheduled", "queued", "deferred")


def reason_of_state(state: str | None, *, was_deferred: bool = False) -> CancelReason:
    """Return why a task was killed, or its trigger cancelled.

    :param state: what Airflow has as the state of the task instance now; ``deleted`` where there is none.
    :param was_deferred: whether a trigger waited, and not a worker.
    """
    if was_deferred and state == "deferred":
        return CancelReason.TRIGGERER_ENDED
    if state in _ENDED_BY_AIRFLOW:
        return CancelReason.CLEARED if was_deferred else CancelReason.WORKER_ENDED
    if state == "restarting":
        return CancelReason.CLEARED
    return CancelReason.DAG_RUN_ENDED if state in ("skipped", "deleted") else CancelReason.MARKED
