"""Polling one sample of a batch, for worker and triggerer alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import PAGE_SIZE, Steps, list_pages
from airflow_provider_omics.healthomics.api.service_errors import Nature, nature
from airflow_provider_omics.healthomics.api.statuses import SubmissionStatus
from airflow_provider_omics.healthomics.batches.batch_poll import is_overdue, look_at_batch
from airflow_provider_omics.healthomics.batches.snapshots import BatchView, SampleView
from airflow_provider_omics.healthomics.polling.poll import tell_changes
from airflow_provider_omics.healthomics.runs.poll import look_at_run, same_run
from airflow_provider_omics.healthomics.runs.snapshot import RunView

if TYPE_CHECKING:
    from mypy_boto3_omics.type_defs import RunBatchListItemTypeDef


@dataclass(slots=True)
class SampleLook:
    """Looks at one sample of a batch: its submission (ListRunsInBatch), then its run (GetRun).

    :param only_submission: whether the outcome of the submission is enough.
    :param clock: gives seconds since the epoch.
    """

    batch_id: str
    run_setting_id: str
    only_submission: bool = False
    clock: Callable[[], float] = time.time
    operation: str = "ListRunsInBatch"
    unseen: SampleView = field(init=False)
    _known: SampleView = field(init=False)

    def __post_init__(self) -> None:
        self.unseen = self._known = SampleView(self.batch_id, self.run_setting_id)

    @property
    def known(self) -> SampleView:
        """What is known of the submission, and of the run no more than its identity."""
        return self._known

    def listed(self, item: RunBatchListItemTypeDef) -> SampleView:
        """Take over what an item of ListRunsInBatch says, for one who reads the whole list."""
        self._known = self.unseen.listed(item)
        return self._known

    def unsubmitted(self, batch: BatchView) -> SampleView:
        """Return the sample of a batch that has not submitted it, and perhaps will not any more."""
        return replace(self._known, batch=batch, is_missing=is_overdue(batch, self.clock()))

    def steps(self) -> Steps[SampleView]:
        """Ask once: one call, two until the sample is submitted and when it just was."""
        view = self._known
        if view.run is None:
            view = yield from self._look_at_submission()
        if self._known.run is None:
            return view
        return (yield from self._look_at_run(self._known.run))

    def is_over(self, view: SampleView) -> bool:
        """Whether submission or run have ended, however they did."""
        return view.phase.is_final or (self.only_submission and view.run is not None)

    def tell(self, before: SampleView | None, view: SampleView) -> str | None:
        """Tell a change of status."""
        return tell_changes(before, view)

    def _look_at_submission(self) -> Steps[SampleView]:
        found: list[SampleView] = []

        def take(page: Mapping[str, Any]) -> bool:
            mine = (item for item in page.get("runs", []) if item.get("runSettingId") == self.run_setting_id)
            found.extend(self.unseen.listed(item) for item in mine)
            return bool(found)

        yield from list_pages(
            "ListRunsInBatch", take, batchId=self.batch_id, runSettingId=self.run_setting_id, maxItems=PAGE_SIZE
        )
        self._known = found[0] if found else self.unseen
        if self._known.submission_status is not None or self._known.run is not None:
            return self._known
        batch = yield from look_at_batch(self.batch_id)
        return self.unsubmitted(batch)

    def _look_at_run(self, run: RunView) -> Steps[SampleView]:
        try:
            seen = yield from look_at_run(run.run_id)
        except ClientError as error:
            if nature(error) is not Nature.MISSING:
                raise
            return (yield from self._look_for_run(run))
        return replace(self._known, run=same_run(run, seen))

    def _look_for_run(self, run: RunView) -> Steps[SampleView]:
        if self._known.submission_status != SubmissionStatus.DELETE_SUCCESS:
            batch = yield from look_at_batch(self.batch_id)
            if not is_overdue(batch, self.clock()):
                # So new that GetRun does not show it yet.
                return replace(self._known, batch=batch)
        return replace(self._known, run=run.gone())
