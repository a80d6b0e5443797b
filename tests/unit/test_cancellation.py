"""The whole table of what becomes of a job whose task stops waiting for it."""

from __future__ import annotations

import itertools

import pytest

from airflow_provider_omics.jobs.cancellation import CancelReason, Decision, decide, reason_of_state

CANCEL, LEAVE, ASK = Decision.CANCEL, Decision.LEAVE, Decision.ASK_AIRFLOW
#: With a retry left, and in the last try.
EXPECTED = {
    CancelReason.KILLED: (ASK, CANCEL),
    CancelReason.WORKER_ENDED: (LEAVE, CANCEL),
    CancelReason.UNEXPLAINED: (LEAVE, CANCEL),
    CancelReason.MARKED: (CANCEL, CANCEL),
    CancelReason.CLEARED: (CANCEL, CANCEL),
    CancelReason.DAG_RUN_ENDED: (CANCEL, CANCEL),
    CancelReason.EXECUTION_TIMEOUT: (CANCEL, CANCEL),
    CancelReason.ATTEMPTS_USED_UP: (LEAVE, CANCEL),
    CancelReason.POLLS_FAILED: (LEAVE, LEAVE),
    CancelReason.TRIGGER_FAILED: (LEAVE, LEAVE),
    CancelReason.TRIGGERER_ENDED: (LEAVE, LEAVE),
}
WAYS = list(itertools.product(CancelReason, (True, False), (True, False), ("cancel", "detach")))


@pytest.mark.parametrize(("reason", "retry_left", "cancel_on_kill", "on_timeout"), WAYS)
def test_every_cell(reason: CancelReason, retry_left: bool, cancel_on_kill: bool, on_timeout: str) -> None:
    if not cancel_on_kill:
        expected = LEAVE
    elif reason is CancelReason.EXECUTION_TIMEOUT:
        expected = CANCEL if on_timeout == "cancel" else LEAVE
    else:
        expected = EXPECTED[reason][not retry_left]
    decision = decide(reason, retry_left=retry_left, cancel_on_kill=cancel_on_kill, on_timeout=on_timeout)
    assert decision is expected


@pytest.mark.parametrize("reason", [reason for reason in CancelReason if reason is not CancelReason.KILLED])
def test_nothing_is_left_to_ask_once_the_reason_is_known(reason: CancelReason) -> None:
    for retry_left in (True, False):
        assert decide(reason, retry_left=retry_left, cancel_on_kill=True, on_timeout="cancel") is not ASK


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        *((state, CancelReason.WORKER_ENDED) for state in ("running", "queued", "scheduled", "deferred", None)),
        ("up_for_retry", CancelReason.WORKER_ENDED),
        ("failed", CancelReason.MARKED),
        ("success", CancelReason.MARKED),
        ("removed", CancelReason.MARKED),
        ("restarting", CancelReason.CLEARED),
        ("skipped", CancelReason.DAG_RUN_ENDED),
        ("deleted", CancelReason.DAG_RUN_ENDED),
    ],
)
def test_the_state_of_a_killed_task_tells_who_has_killed_it(state: str | None, reason: CancelReason) -> None:
    assert reason_of_state(state) is reason


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("deferred", CancelReason.TRIGGERER_ENDED),
        *((state, CancelReason.CLEARED) for state in (None, "scheduled", "queued", "running", "restarting")),
        ("failed", CancelReason.MARKED),
        ("success", CancelReason.MARKED),
        ("skipped", CancelReason.DAG_RUN_ENDED),
        ("deleted", CancelReason.DAG_RUN_ENDED),
    ],
)
def test_the_state_of_a_deferred_task_tells_whether_a_user_has_ended_it(
    state: str | None, reason: CancelReason
) -> None:
    assert reason_of_state(state, was_deferred=True) is reason
