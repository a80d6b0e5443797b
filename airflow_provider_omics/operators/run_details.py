"""What no list says of a run that has ended: asked for by the task, which knows already how it has ended."""

from __future__ import annotations

from dataclasses import dataclass, replace

from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.retrying import Retrying, refusal_note
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.runs.failure import RunFailure
from airflow_provider_omics.healthomics.runs.poll import with_details
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.hooks.omics import OmicsHook

# GetRun may lag behind the list that has shown the end.
_LAG_ATTEMPTS, _MAX_FIRST_PAUSE = 3, 1.0


@dataclass(frozen=True)
class RunDetails:
    """A run, with what could be found out about it.

    :param note: why its failure code is not known, where it could not be looked up.
    """

    run: RunSnapshot
    note: str | None = None

    @property
    def completion(self) -> str:
        """What a task's log says of a run that has completed."""
        outputs = f"; its outputs are in {self.run.output_uri}" if self.run.output_uri else ""
        return f"HealthOmics run {self.run.run_id} COMPLETED{outputs}"

    def explain(self, failure: RunFailure) -> RunFailure:
        """Return a failure of the run that also says what could not be looked up."""
        return replace(failure, note="\n".join(filter(None, (self.note, failure.note))) or None)


def look_up_details(hook: OmicsHook, run: RunSnapshot, log: Log, retrying: Retrying | None = None) -> RunDetails:
    """Look up uuid, output URI and cause of the failure of a run that a list has shown (GetRun, unless it is known).

    Nothing is raised: how the run has ended is known.

    :param retrying: makes the call again while that may help; None to make it once.
    """
    if run.output_uri is not None or run.phase is Phase.DELETED:
        # Not even a client is made.
        return RunDetails(run)
    try:
        found = hook.send_requests(with_details(run), run.label, retrying=retrying)
        for attempt in range(_LAG_ATTEMPTS if run.phase.is_final else 0):
            if found is not run or retrying is None or retrying.sleep(_pause(retrying, attempt)):
                break
            found = hook.send_requests(with_details(run), run.label, retrying=retrying)
    except Exception as error:
        log.warning("%s", entry("HealthOmics %s could not be looked up: %s", run.label, error))
        cause = error.__cause__ if isinstance(error, OmicsServiceError) else None
        return RunDetails(run, _note(run, f"could not be looked up: {refusal_note(cause or error, 'GetRun')}"))
    return RunDetails(found, _note(run, "is not known, since GetRun does not show it") if found is run else None)


def _pause(retrying: Retrying, attempt: int) -> float:
    return min(retrying.delay, _MAX_FIRST_PAUSE) * 2.0**attempt


def _note(run: RunSnapshot, why: str) -> str | None:
    return f"Its failure code {why}" if run.phase is Phase.FAILED and run.failure_code is None else None
