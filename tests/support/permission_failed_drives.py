"""Drives of batches that FAILED or are stopped while runs of theirs go on, and of samples that are not there."""

from __future__ import annotations

from typing import Any

from batch_states import LONG, minutes_ago
from holding import HELD_RUN
from omics_service import ROLE, await_status
from permission_batch_drives import (
    ALONE,
    CANCEL,
    DELETE_RUNS,
    FAILING,
    FAILURE,
    PLAIN,
    PRUNE,
    START,
    WAITED,
    WAITS,
    start_batch,
)
from permission_drives import (
    GIVES_UP,
    OUT,
    QUICK,
    PermissionLab,
    crash,
    drive,
    fire_all,
    fired,
    hook,
    second_try,
    sensor,
    side_by_side,
    task,
)

from airflow_provider_omics.exceptions import (
    OmicsBatchFailedError,
    OmicsRunFailedError,
    OmicsRunsNotDeletedError,
    OmicsSampleFailedError,
    OmicsServiceError,
    OmicsWaitError,
)
from airflow_provider_omics.operators.batch import (
    OmicsCancelRunBatchOperator,
    OmicsDeleteRunBatchOperator,
    OmicsStartRunBatchOperator,
)
from airflow_provider_omics.operators.prune import OmicsPruneRunBatchesOperator
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor
from airflow_provider_omics.triggers.batch import OmicsBatchRunTrigger, OmicsBatchTrigger

HELD = {"runSettingId": "a", "runTags": HELD_RUN}
LEFT = [HELD, {"runSettingId": "b"}]
STOPPED = "GetBatch ListRuns GetRun CancelRun"
NOW = {"deadline": 1.0, "cancel_on_timeout": True}


def _will_fail(lab: PermissionLab) -> None:
    """Have the next batch fail after its first run, which ends once it was asked for."""
    lab.fault("RunBatch.abort", skip=1)
    lab.held.release_after("GetRun")


@drive(START, "failed-batch", WAITED, f"{WAITS}, failed batches", prepare=_will_fail, ends=OmicsBatchFailedError)
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    start_batch(lab, LEFT, **PLAIN)


def _crashed_and_failed(lab: PermissionLab) -> None:
    assert lab.held
    lab.fault("RunBatch.abort", skip=1)
    given = {"workflow_id": lab.workflow_id, "role_arn": ROLE, "output_uri": OUT, **PLAIN}
    crash(OmicsStartRunBatchOperator, run_settings=LEFT, retries=1, **given, **QUICK)
    await_status(lambda: dict(lab.omics.list_batch()["items"][0]), "FAILED")


@drive(START, "leaves-failed", f"s3:GetObject ListBatch {STOPPED}",
       "durable, wait_for_completion, cancel_on_kill", prepare=_crashed_and_failed, ends=OmicsWaitError)  # fmt: skip
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    start_batch(lab, LEFT, ti=second_try(max_tries=1), retries=1, **PLAIN, **GIVES_UP)


@drive(START, "fails-fast", f"{WAITED} {FAILURE} CancelRunBatch",
       f"{WAITS}, fail_fast, failure details, failed batches",
       prepare=lambda lab: lab.held, ends=OmicsBatchFailedError)  # fmt: skip
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    start_batch(lab, [FAILING, HELD], fail_fast=True, **PLAIN)


#: While the batch is submitted none of its runs can fail.
FAILS_LATER = {"runSettingId": "bad", "runTags": {**FAILING["runTags"], **HELD_RUN}}
GOES_ON = {"runSettingId": "a", "runTags": LONG}


def _will_fail_after_two(lab: PermissionLab) -> None:
    lab.fault("RunBatch.abort", skip=2)
    lab.held.release_after("GetRun")


@drive(START, "fails-fast-failed", f"{WAITED} {FAILURE} CancelRun",
       f"{WAITS}, fail_fast, failure details, failed batches",
       prepare=_will_fail_after_two, ends=OmicsBatchFailedError)  # fmt: skip
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    start_batch(lab, [FAILS_LATER, GOES_ON, {"runSettingId": "c"}], fail_fast=True, **PLAIN)


@drive(CANCEL, "failed-batch", STOPPED, "failed batches, other states", prepare=PermissionLab.failed_batch)
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    task(OmicsCancelRunBatchOperator, batch_id=batch_id, **ALONE)


def _without_record(lab: PermissionLab) -> str:
    batch_id = lab.batch()
    lab.omics.delete_batch(batchId=batch_id)
    return batch_id


@drive(DELETE_RUNS, "gone", "DeleteRunBatch ListRuns", "gone batches", prepare=_without_record, ends=OmicsServiceError)
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    task(OmicsDeleteRunBatchOperator, batch_id=batch_id, **ALONE)


def _undeletable(lab: PermissionLab) -> str:
    lab.fault("RunBatch.delete")
    return lab.batch()


@drive(DELETE_RUNS, "undeleted", "DeleteRunBatch GetBatch ListRunsInBatch", "wait_for_completion, failure details",
       prepare=_undeletable, ends=OmicsRunsNotDeletedError)  # fmt: skip
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    task(OmicsDeleteRunBatchOperator, batch_id=batch_id, **ALONE)


@drive(PRUNE, "deletes-failed", "ListBatch GetBatch ListRuns DeleteRun DeleteBatch", "plan_only, failed batches",
       prepare=lambda lab: lab.failed_batch(ended=True))  # fmt: skip
def _(_lab: PermissionLab, _batch_id: str, _deferrable: bool) -> None:
    given = {"status": "FAILED", "protect_for": "PT0S", "include_untagged": True, "error_budget": 0.0}
    assert task(OmicsPruneRunBatchesOperator, **given, plan_only=False, waiter_delay=0.02)["deleted"] == 1


def _failed_and_let_go(lab: PermissionLab) -> str:
    batch_id = lab.failed_batch()
    lab.held.release_after("GetRun")
    return batch_id


TRIGGER = "OmicsBatchTrigger"


@drive(TRIGGER, "failed-batch", "GetBatch ListRuns GetRun", "failed batches", prepare=_failed_and_let_go)
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    fired(OmicsBatchTrigger(batch_id=batch_id, **QUICK))


@drive(TRIGGER, "deadline", "GetBatch CancelRunBatch", "cancel_on_kill",
       prepare=lambda lab: lab.batch(ended=False), goes_on="GetBatch")  # fmt: skip
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    (payload,) = fire_all(OmicsBatchTrigger(batch_id=batch_id, **QUICK, **NOW))
    print(dict(payload))


@drive(TRIGGER, "deadline-failed", STOPPED, "cancel_on_kill", prepare=PermissionLab.failed_batch, goes_on="GetBatch")
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    (payload,) = fire_all(OmicsBatchTrigger(batch_id=batch_id, **QUICK, **NOW))
    print(dict(payload))


@drive(TRIGGER, "fails-fast", "GetBatch CancelRunBatch ListRunsInBatch ListRuns GetRun",
       "fail_fast, failure details, failed batches",
       prepare=lambda lab: lab.batch(FAILING, {"runSettingId": "a"}, ended=False), goes_on="GetRun")  # fmt: skip
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    fired(OmicsBatchTrigger(batch_id=batch_id, fail_above=0, **QUICK))


def _failed_with_a_failed_run(lab: PermissionLab) -> str:
    lab.fault("RunBatch.abort", skip=2)
    return lab.batch(FAILING, {"runSettingId": "a"}, {"runSettingId": "c"}, ended=False, until="FAILED")


@drive(TRIGGER, "fails-fast-failed", f"{STOPPED} ListRunsInBatch", "fail_fast, failure details, failed batches",
       prepare=_failed_with_a_failed_run)  # fmt: skip
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    fired(OmicsBatchTrigger(batch_id=batch_id, fail_above=0, **QUICK))


@drive("OmicsHook.cancel_batch", "ended", "GetBatch", "other states", prepare=PermissionLab.batch)
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    hook().cancel_batch(batch_id)


@drive("OmicsHook.cancel_batch", "failed-batch", STOPPED, "other states, failed batches",
       prepare=PermissionLab.failed_batch)  # fmt: skip
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    hook().cancel_batch(batch_id)


@drive("OmicsHook.wait_for_batch", "failed-batch", "GetBatch ListRuns GetRun", "failed batches",
       prepare=_failed_and_let_go)  # fmt: skip
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    hook().wait_for_batch(batch_id, waiter_delay=0.02, error_budget=0.0)


SENSOR, SAMPLE_TRIGGER = "OmicsBatchRunSensor", "OmicsBatchRunTrigger"
COHORT = "ListRunsInBatch GetRun GetBatch ListBatch"
MISSING = {"run_setting_id": "nobody", "whole_cohort": False}


def _failed_in_cohort(lab: PermissionLab) -> str:
    return lab.batch(FAILING, batchName="cohort", tags={"airflow-intent": "x"})


def _long_submitted(lab: PermissionLab) -> str:
    batch_id = lab.batch()
    minutes_ago(lab.server, batch_id, "submitted_time")
    return batch_id


def _of_two_batches(lab: PermissionLab) -> list[dict[str, str]]:
    """Three samples of one batch, which are looked at together, and one of another."""
    many = lab.batch(*({"runSettingId": name} for name in "abc"), ended=False)
    alone = lab.batch({"runSettingId": "a"}, ended=False)
    samples = [*((many, name) for name in "abc"), (alone, "a")]
    # Once each sensor has asked for its own.
    lab.held.release_after("GetRun", len(samples))
    return [{"batch_id": batch_id, "run_setting_id": name} for batch_id, name in samples]


@drive(SENSOR, "cohort", f"{COHORT} {FAILURE}", "whole_cohort, failure details", prepare=_failed_in_cohort,
       ends=OmicsRunFailedError)  # fmt: skip
def _(_lab: PermissionLab, batch_id: str, deferrable: bool) -> None:
    sensor(OmicsBatchRunSensor, deferrable, batch_id=batch_id, run_setting_id="bad")


@drive(SENSOR, "missing", "ListRunsInBatch GetBatch", "other states", prepare=_long_submitted,
       ends=OmicsSampleFailedError)  # fmt: skip
def _(_lab: PermissionLab, batch_id: str, deferrable: bool) -> None:
    sensor(OmicsBatchRunSensor, deferrable, batch_id=batch_id, **MISSING)


@drive(SENSOR, "many", "ListRunsInBatch GetRun GetBatch ListRuns", "many waits", prepare=_of_two_batches)
def _(_lab: PermissionLab, samples: list[dict[str, str]], _deferrable: bool) -> None:
    side_by_side(OmicsBatchRunSensor, *samples, poke_interval=0.02, error_budget=0.0, whole_cohort=False)


@drive(SAMPLE_TRIGGER, "cohort", COHORT, "whole_cohort", prepare=_failed_in_cohort)
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    fired(OmicsBatchRunTrigger(batch_id=batch_id, run_setting_id="bad", whole_cohort=True, **QUICK))


@drive(SAMPLE_TRIGGER, "missing", "ListRunsInBatch GetBatch", "other states", prepare=_long_submitted)
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    fired(OmicsBatchRunTrigger(batch_id=batch_id, **MISSING, **QUICK))


def _ended_samples(lab: PermissionLab) -> list[tuple[str, str]]:
    many, alone = lab.batch(*({"runSettingId": name} for name in "abc")), lab.batch({"runSettingId": "a"})
    return [*((many, name) for name in "abc"), (alone, "a")]


@drive(SAMPLE_TRIGGER, "many", "ListRunsInBatch GetRun GetBatch ListRuns", "many waits", prepare=_ended_samples)
def _(_lab: PermissionLab, samples: list[tuple[str, str]], _deferrable: bool) -> None:
    fired(*(OmicsBatchRunTrigger(batch_id=batch_id, run_setting_id=name, **QUICK) for batch_id, name in samples))
