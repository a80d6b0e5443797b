"""Polling a run, for worker and triggerer alike."""

from __future__ import annotations

from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import Request, Requests
from airflow_provider_omics.healthomics.api.service_errors import ErrorCategory, categorize
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.polling.poll import describe_change
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot


@dataclass(slots=True)
class RunPoll:
    """The poll of one run (GetRun)."""

    run_id: str
    operation: str = "GetRun"
    initial: RunSnapshot = field(init=False)
    _known: RunSnapshot = field(init=False)

    def __post_init__(self) -> None:
        self.initial = self._known = RunSnapshot(self.run_id)

    def requests(self) -> Requests[RunSnapshot]:
        """Ask once."""
        self._known = verify_identity(self._known, (yield from get_run(self.run_id)))
        return self._known

    def is_over(self, snapshot: RunSnapshot) -> bool:
        """Whether the run has ended, however it did."""
        return snapshot.phase.is_final

    def describe_change(self, before: RunSnapshot | None, snapshot: RunSnapshot) -> str | None:
        """Tell a change of status."""
        return describe_change(before, snapshot)


def get_run(run_id: str) -> Requests[RunSnapshot]:
    """Poll a run once (GetRun)."""
    answer = yield Request("GetRun", {"id": run_id})
    return RunSnapshot.of(answer)


def with_details(run: RunSnapshot) -> Requests[RunSnapshot]:
    """Return a run with what no list says: uuid, output URI and the cause of a failure (GetRun, unless it is known)."""
    if run.output_uri is not None or run.phase is Phase.DELETED:
        return run
    try:
        seen = yield from get_run(run.run_id)
    except ClientError as error:
        if categorize(error) is ErrorCategory.NOT_FOUND:
            return run
        raise
    # An end is never taken back, so a run that goes on is another one.
    is_other = run.phase.is_final and seen.status != run.status
    return run if is_other or verify_identity(run, seen).phase is Phase.DELETED else seen


def verify_identity(known: RunSnapshot, seen: RunSnapshot) -> RunSnapshot:
    """Return what was seen if it is the run that is known, else the known one as deleted.

    The service gives ids of deleted runs to others; only the uuid tells them apart.
    """
    is_other = known.uuid and seen.uuid and known.uuid != seen.uuid
    return known.as_deleted() if is_other else seen
