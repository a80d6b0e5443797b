"""Polling one sample of a batch, for worker and triggerer alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Requests, list_pages
from airflow_provider_omics.healthomics.api.service_errors import ErrorCategory, categorize
from airflow_provider_omics.healthomics.api.statuses import SubmissionStatus
from airflow_provider_omics.healthomics.batches.batch_poll import get_batch, is_overdue
from airflow_provider_omics.healthomics.batches.snapshots import BatchSnapshot, SampleSnapshot
from airflow_provider_omics.healthomics.polling.poll import describe_change
from airflow_provider_omics.healthomics.runs.poll import get_run, verify_identity
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot

if TYPE_CHECKING:
    from mypy_boto3_omics.type_defs import RunBatchListItemTypeDef


@dataclass(slots=True)
class SamplePoll:
    """The poll of one sample of a batch: its submission (ListRunsInBatch), then its run (GetRun).

    :param only_submission: whether the outcome of the submission is enough.
    :param clock: gives seconds since the epoch.
    """

    batch_id: str
    run_setting_id: str
    only_submission: bool = False
    clock: Callable[[], float] = time.time
    operation: str = "ListRunsInBatch"
    initial: SampleSnapshot = field(init=False)
    _known: SampleSnapshot = field(init=False)

    def __post_init__(self) -> None:
        self.initial = self._known = SampleSnapshot(self.batch_id, self.run_setting_id)

    @property
    def known(self) -> SampleSnapshot:
        """What is known of the submission, and of the run no more than its identity."""
        return self._known

    def listed(self, item: RunBatchListItemTypeDef) -> SampleSnapshot:
        """Take over what an item of ListRunsInBatch says, for one who reads the whole list."""
        self._known = self.initial.listed(item)
        return self._known

    def unsubmitted(self, batch: BatchSnapshot) -> SampleSnapshot:
        """Return the sample of a batch that has not submitted it, and perhaps will not any more."""
        return replace(self._known, batch=batch, is_missing=is_overdue(batch, self.clock()))

    def requests(self) -> Requests[SampleSnapshot]:
        """Ask once: one call, two until the sample is submitted and when it just was."""
        snapshot = self._known
        if snapshot.run is None:
            snapshot = yield from self._poll_submission()
        if self._known.run is None:
            return snapshot
        return (yield from self._poll_run(self._known.run))

    def is_over(self, snapshot: SampleSnapshot) -> bool:
        """Whether submission or run have ended, however they did."""
        return snapshot.phase.is_final or (self.only_submission and snapshot.run is not None)

    def describe_change(self, before: SampleSnapshot | None, snapshot: SampleSnapshot) -> str | None:
        """Tell a change of status."""
        return describe_change(before, snapshot)

    def _poll_submission(self) -> Requests[SampleSnapshot]:
        found: list[SampleSnapshot] = []

        def take(page: Mapping[str, Any]) -> bool:
            mine = (item for item in page.get("runs", []) if item.get("runSettingId") == self.run_setting_id)
            found.extend(self.initial.listed(item) for item in mine)
            return bool(found)

        yield from list_pages(
            "ListRunsInBatch", take, batchId=self.batch_id, runSettingId=self.run_setting_id, maxItems=PAGE_SIZE
        )
        self._known = found[0] if found else self.initial
        if self._known.submission_status is not None or self._known.run is not None:
            return self._known
        batch = yield from get_batch(self.batch_id)
        return self.unsubmitted(batch)

    def _poll_run(self, run: RunSnapshot) -> Requests[SampleSnapshot]:
        try:
            seen = yield from get_run(run.run_id)
        except ClientError as error:
            if categorize(error) is not ErrorCategory.NOT_FOUND:
                raise
            return (yield from self._poll_unseen_run(run))
        return replace(self._known, run=verify_identity(run, seen))

    def _poll_unseen_run(self, run: RunSnapshot) -> Requests[SampleSnapshot]:
        if self._known.submission_status != SubmissionStatus.DELETE_SUCCESS:
            batch = yield from get_batch(self.batch_id)
            if not is_overdue(batch, self.clock()):
                # So new that GetRun does not show it yet.
                return replace(self._known, batch=batch)
        return replace(self._known, run=run.as_deleted())
