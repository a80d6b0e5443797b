"""The life of a run: PENDING, STARTING, RUNNING, STOPPING and how it ends."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.statuses import RunStatus, TaskStatus
from airflow_provider_omics.local.assumptions import RunOutputUri
from airflow_provider_omics.local.errors import ServiceQuotaExceededException, error_of_code
from airflow_provider_omics.local.records import Run
from airflow_provider_omics.local.runs.caching import save_finished_tasks
from airflow_provider_omics.local.runs.parameters import INVALID, InvalidParameters, read_parameters
from airflow_provider_omics.local.runs.report import Report
from airflow_provider_omics.local.runs.request import SERVICE_DEFINED, plan_run
from airflow_provider_omics.local.runs.status import announce, set_status, stop_tasks

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.records import Batch

FAILS_STARTING_TAG = "omics-local:fails-starting"
"""Run tag with a failure code: the run fails with it in STARTING, before any executor gets it."""

ACTIVE = frozenset({RunStatus.PENDING, RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING})


def create_run(
    state: AccountState,
    request: dict[str, Any],
    *,
    batch: Batch | None = None,
    run_setting_id: str | None = None,
) -> Run:
    """Check a StartRun request and start its run, which is PENDING at first (StartRun, StartRunBatch).

    :param request: the members of StartRun; a batch gives its merged setting, with the run tags as ``tags``.
    :param batch: the batch that submits the run.
    :param run_setting_id: the batch's name for the run.
    :raises ServiceError: with the code that StartRun answers.
    """
    plan = plan_run(state, request)
    _make_room(state)
    run_id, uuid = state.new_run_id(), state.new_uuid()
    run = Run(
        run_id=run_id,
        uuid=uuid,
        arn=state.arn(f"run/{run_id}"),
        status=RunStatus.PENDING,
        request=plan.request,
        workflow=plan.workflow,
        version_name=plan.workflow.version_name,
        creation_time=state.now(),
        output_root=_output_root(state, plan.request, run_id, uuid),
        tags=plan.tags,
        batch_id=batch.batch_id if batch else None,
        run_setting_id=run_setting_id,
        request_id=(batch.request if batch else request).get("requestId"),
        configuration=plan.configuration,
    )
    state.add_run(run)
    announce(state, run)
    state.timeline.after(state.timings.pending, partial(_enqueue, state, run))
    return run


def cancel_run(state: AccountState, run: Run) -> None:
    """Begin to cancel a run; it becomes CANCELLED later (CancelRun).

    :raises ServiceError: the run has ended.
    """
    if run.status not in ACTIVE:
        raise error_of_code(
            state.assumptions.wrong_state_code, f"Run {run.run_id} is {run.status} and cannot be cancelled"
        )
    if run.cancel_requested:
        return
    run.cancel_requested = True
    goes_on = run.status is RunStatus.RUNNING and state.executor.cancel(run)
    stop_tasks(state, run, TaskStatus.STOPPING)
    if state.assumptions.cancelled_passes_stopping:
        set_status(state, run, RunStatus.STOPPING)
    if not goes_on:
        _end_cancelled(state, run)


def delete_run(state: AccountState, run: Run) -> None:
    """Delete a run's metadata (DeleteRun); its outputs and logs stay.

    :raises ServiceError: the run has not ended.
    """
    deletable = {RunStatus.COMPLETED, RunStatus.CANCELLED}
    if state.assumptions.failed_run_deletable:
        deletable.add(RunStatus.FAILED)
    if run.status not in deletable:
        raise error_of_code(
            state.assumptions.wrong_state_code, f"Run {run.run_id} is {run.status} and cannot be deleted"
        )
    set_status(state, run, RunStatus.DELETED)
    visible = state.assumptions.deleted_run_visible_seconds
    if visible > 0:
        state.timeline.after(visible, partial(state.forget_run, run))
    else:
        state.forget_run(run)


def start_waiting_runs(state: AccountState) -> None:
    """Start every waiting run for which quotas and run groups have room."""
    while (run := state.run_queue.pop(state.quotas, state.run_groups)) is not None:
        set_status(state, run, RunStatus.STARTING)
        state.timeline.after(state.timings.starting, partial(_launch, state, run))


def _enqueue(state: AccountState, run: Run) -> None:
    if run.status is RunStatus.PENDING and not run.cancel_requested:
        state.run_queue.put(run, state.assumptions.highest_priority)
        start_waiting_runs(state)


def _launch(state: AccountState, run: Run) -> None:
    if run.status is not RunStatus.STARTING or run.cancel_requested:
        return
    if FAILS_STARTING_TAG in run.tags:
        reason = run.tags[FAILS_STARTING_TAG]
        _fail_starting(state, run, reason, f"The run failed before it was RUNNING: {reason}")
        return
    if "parametersUri" in run.request:
        try:
            read_parameters(state, run)
        except InvalidParameters as error:
            _fail_starting(state, run, INVALID, str(error))
            return
    run.start_time = state.now()
    set_status(state, run, RunStatus.RUNNING)
    report = Report(state, run, partial(_stop, state, run), partial(_end_cancelled, state, run))
    state.timeline.after(_longest(state, run), report.timed_out)
    state.executor.launch(run, run.workflow, report)


def _fail_starting(state: AccountState, run: Run, reason: str, message: str) -> None:
    if state.assumptions.failure_before_running_passes_stopping:
        _stop(state, run, RunStatus.FAILED, reason, message)
    else:
        _end(state, run, RunStatus.FAILED, reason, message)


def _longest(state: AccountState, run: Run) -> float:
    group = state.run_groups.get(run.request.get("runGroupId", ""))
    minutes = group.settings.get("maxDuration") if group else None
    return min(state.quotas.run_seconds, minutes * 60 if minutes else state.quotas.run_seconds)


def _stop(state: AccountState, run: Run, end: RunStatus, reason: str | None = None, message: str | None = None) -> None:
    stop_tasks(state, run, TaskStatus.STOPPING)
    set_status(state, run, RunStatus.STOPPING)
    state.timeline.after(state.timings.stopping, partial(_end, state, run, end, reason, message))


def _end_cancelled(state: AccountState, run: Run) -> None:
    state.timeline.after(state.timings.stopping, partial(_end, state, run, RunStatus.CANCELLED))


def _end(state: AccountState, run: Run, end: RunStatus, reason: str | None = None, message: str | None = None) -> None:
    if run.status not in ACTIVE or (run.cancel_requested and end is not RunStatus.CANCELLED):
        return
    run.stop_time = state.now()
    run.failure_reason, run.status_message = reason, message
    stop_tasks(state, run, TaskStatus.CANCELLED)
    # Whoever reads the run's log meanwhile takes this for the end of all changes.
    run.end_status = end
    # Before anybody hears of the end and looks for what it has left.
    state.unread.run_ended(run)
    set_status(state, run, end)
    if run.simulation is not None:
        save_finished_tasks(state, run)
    if run.request["retentionMode"] == "REMOVE":
        state.run_index.mark_removable(run)
    start_waiting_runs(state)


def _make_room(state: AccountState) -> None:
    while len(state.runs) >= state.quotas.stored_runs:
        oldest = state.run_index.oldest_removable()
        if oldest is None:
            raise ServiceQuotaExceededException(
                f"The quota of {state.quotas.stored_runs} stored runs is used up by runs with retentionMode "
                "RETAIN and runs that have not ended; delete runs or ask for a higher quota"
            )
        state.forget_run(oldest)


def _output_root(state: AccountState, request: dict[str, Any], run_id: str, uuid: str) -> str:
    base: str = request["outputUri"].rstrip("/")
    if request["outputUriPrefixMode"] != SERVICE_DEFINED:
        return base
    if state.assumptions.run_output_uri is RunOutputUri.RUN_ID_AND_UUID:
        return f"{base}/{run_id}/{uuid}"
    return f"{base}/{run_id}"
