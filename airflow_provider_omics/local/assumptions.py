"""One named switch for everything that AWS leaves undocumented and that the server has to decide.

The defaults are the likeliest reading, never a promise: code that works only under one value is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_omics.local.checked import check_fields


class RepeatedRequestId(StrEnum):
    """What a second call with the same request id gets."""

    FIRST_ANSWER = "first_answer"
    CONFLICT = "conflict"
    FORGOTTEN = "forgotten"


class TwoFilters(StrEnum):
    """What a list call with two filters gets."""

    REFUSED = "refused"
    COMBINED = "combined"


class UnsubmittedRuns(StrEnum):
    """How ListRunsInBatch shows run settings whose submission was not tried yet."""

    HIDDEN = "hidden"
    LISTED_WITHOUT_STATUS = "listed_without_status"


class CancelledUnsubmitted(StrEnum):
    """How run settings that a cancelled batch never submitted are shown afterwards."""

    STAY_UNSUBMITTED = "stay_unsubmitted"
    CANCEL_SUCCESS = "cancel_success"
    FAILED = "failed"


class RunOutputUri(StrEnum):
    """The form of ``runOutputUri``."""

    RUN_ID = "run_id"
    RUN_ID_AND_UUID = "run_id_and_uuid"


class LogStreamForm(StrEnum):
    """The form of ``logStream`` in GetRunTask."""

    NAME = "name"
    ARN = "arn"


class ListOrder(StrEnum):
    """The order of a list."""

    NEWEST_FIRST = "newest_first"
    OLDEST_FIRST = "oldest_first"


class HighestPriority(StrEnum):
    """Which of two waiting runs starts first."""

    LARGEST_NUMBER = "largest_number"
    SMALLEST_NUMBER = "smallest_number"


class RunsInBatchOrder(StrEnum):
    """The order of ListRunsInBatch."""

    INPUT = "input"
    SHUFFLED = "shuffled"
    NEWEST_FIRST = "newest_first"


class ErrorForm(StrEnum):
    """Where an error answer names its code."""

    HEADER_AND_BODY = "header_and_body"
    HEADER = "header"
    BODY = "body"


class Check(StrEnum):
    """When a batch's common fields are checked."""

    IN_THE_CALL = "in_the_call"
    AFTER_THE_CALL = "after_the_call"


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumptions:
    """The chosen reading of every behaviour that AWS does not document; copy with ``dataclasses.replace``.

    Error codes are shape names of the API such as ``ConflictException``.

    :raises ValueError: a share is more than 1.
    """

    # Idempotency: a repeated request id starts nothing twice; what is answered, and how long, is not said.
    repeated_request_id: RepeatedRequestId = RepeatedRequestId.FIRST_ANSWER
    repeated_request_id_other_payload: RepeatedRequestId = RepeatedRequestId.CONFLICT
    request_id_memory_seconds: float = float("inf")
    # The advice to resubmit a transiently failed batch with the same request id implies that the id is free.
    request_id_free_after_failed_batch: bool = True
    request_id_free_after_deletion: bool = False

    # Error codes: only the candidates are declared, not which of them answers which mistake.
    error_form: ErrorForm = ErrorForm.HEADER_AND_BODY
    wrong_state_code: str = "ConflictException"
    unknown_reference_code: str = "ResourceNotFoundException"
    two_filters_code: str = "ValidationException"
    two_filters_of_runs: TwoFilters = TwoFilters.COMBINED
    two_filters_of_batches: TwoFilters = TwoFilters.REFUSED
    too_many_inline_settings_code: str = "ValidationException"
    ready2run_in_batch: Check = Check.IN_THE_CALL
    unique_inline_settings: Check = Check.AFTER_THE_CALL
    missing_cache_or_group_in_batch: Check = Check.AFTER_THE_CALL

    # Deleting: guide and API differ on FAILED runs, and neither says how long a deleted run can be seen.
    failed_run_deletable: bool = True
    deleted_run_visible_seconds: float = 0.0
    run_id_reuse: bool = False
    deleted_cache_stays_visible: bool = False

    # Lists: neither order nor default page sizes nor the first moment of visibility are given.
    list_runs_order: ListOrder = ListOrder.NEWEST_FIRST
    list_batches_order: ListOrder = ListOrder.NEWEST_FIRST
    list_page_size: int = 100
    runs_in_batch_page_size: int = 100
    runs_in_batch_before_submission: UnsubmittedRuns = UnsubmittedRuns.HIDDEN
    runs_in_batch_order: RunsInBatchOrder = RunsInBatchOrder.INPUT
    # How long a submission is not seen in ListRunsInBatch, and a new status of a run not in ListRuns.
    runs_in_batch_lag_seconds: float = 0.0
    run_status_lag_in_list_seconds: float = 0.0
    get_run_lag_seconds: float = 0.0
    list_runs_lag_seconds: float = 0.0

    # Batches: what cancelling and failing leave behind.
    cancel_tries_ended_runs: bool = True
    cancelled_before_submission: CancelledUnsubmitted = CancelledUnsubmitted.STAY_UNSUBMITTED
    partly_failed_cancel_ends_cancelled: bool = True
    processed_time_on_cancelled: bool = False
    failed_batch_keeps_its_runs: bool = True
    counts_before_validation: bool = True
    # Only throttled, timed out and internal errors are retried by the service; how often is not said.
    submission_retries: int = 3
    submission_retry_seconds: float = 2.0
    run_events_carry_batch_id: bool = False
    event_for_runs_delete_failed: bool = False

    # Events: delivery is a best effort. Shares, 0 to 1, of the events that are lost, that come twice (with an id of
    # EventBridge each), and that come after the next one (or 0.2 s of real time later, if there is none).
    event_lost_share: float = 0.0
    event_doubled_share: float = 0.0
    event_late_share: float = 0.0

    # Runs: forms and paths that the documentation gives in several versions.
    run_output_uri: RunOutputUri = RunOutputUri.RUN_ID
    task_log_stream: LogStreamForm = LogStreamForm.NAME
    failure_before_running_passes_stopping: bool = True
    cancelled_passes_stopping: bool = True
    default_storage_type: str = "STATIC"
    highest_priority: HighestPriority = HighestPriority.LARGEST_NUMBER
    # Not a reading of the service, whose runs take minutes: whether a waiter of botocore sees runs and tasks that end
    # between two of its calls as RUNNING once, since those for RUNNING do not take COMPLETED for an answer.
    waiters_see_running: bool = False

    # Re-run: whether both ids may be sent, and what is copied from the earlier run.
    workflow_id_with_run_id: bool = False
    rerun_copies_tags: bool = False
    rerun_copies_cache: bool = True
    rerun_copies_retention: bool = True
    ready2run_can_be_rerun: bool = True

    # Configurations: the guide says both that one in use cannot be deleted and that deleting it is safe. Where any
    # name counts as an ACTIVE configuration, runs can be tried without making one.
    configuration_in_use_deletable: bool = True
    any_configuration_is_active: bool = False

    # Run caches: one version of the guide says that a cancelled run saves its finished tasks, another that it does not.
    cancelled_run_fills_cache: bool = True

    # Rates: those of some operations are not published, nor the burst size, nor whether operations that share a row
    # of the quota table share its tokens.
    operations_of_a_row_share_rate: bool = False
    burst_seconds: float = 1.0
    start_run_per_second: float = 5.0
    unlisted_operations_per_second: float | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("event_lost_share", "event_doubled_share", "event_late_share"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} must be at most 1, not {getattr(self, name)}")
