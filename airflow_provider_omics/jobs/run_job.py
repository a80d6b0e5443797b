"""Submission of one run for one key, however often the task is tried."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.jobs.submission import IdempotentSubmitter, Submitted


@dataclass(frozen=True)
class RunJob:
    """Run of a task.

    :param request: the StartRun request.
    :param prove: called once before a run is submitted, where none of an earlier try is taken over.
    :param late_members: returns members that are known only when a run is submitted; they win.
    """

    submitter: IdempotentSubmitter[RunSnapshot]
    request: Mapping[str, Any]
    prove: Callable[[], None] = lambda: None
    late_members: Callable[[], Mapping[str, Any]] = dict

    def submit(self, generation: int = 0) -> RunSnapshot:
        """Submit a run without looking for those of earlier tries.

        :raises OmicsServiceError: the service refused it.
        """
        self.prove()
        run = self.submitter.submit(generation, {**self.request, **self.late_members()})
        self._log_started(run)
        return run

    def get_or_submit(
        self, *, try_number: int, tries_before_clear: int = 0, cancels_superseded: bool = False
    ) -> Submitted[RunSnapshot]:
        """Return the run that there is, or submit it.

        A run that was seen to end badly is replaced: only then does the generation grow, and with it the request id.

        :param try_number: which try of the task this is, 1 for the first.
        :param tries_before_clear: how many tries were over when the task was last cleared.
        :param cancels_superseded: whether runs that the task submitted when it asked for something else are cancelled.
        :raises OmicsServiceError: the service refused it.
        """
        submitter, record = self.submitter, self.submitter.record
        if cancels_superseded:
            self._cancel_previous()
        record.reset_after_clear(tries_before_clear)
        is_first = try_number == 1 and not record.job.is_submitted
        earlier, others = ([], ()) if is_first else submitter.find_earlier(tries_before_clear)
        if cancels_superseded:
            for job in others:
                if job.finished_try is None:
                    submitter.cancel_superseded(submitter.kind.snapshot(job))
        if earlier and submitter.is_usable(run := submitter.kind.snapshot(earlier[-1])):
            submitter.log_reattached(run)
            record.record_started(earlier[-1].generation, run.run_id, run.uuid)
            return Submitted(run, earlier[-1].generation, is_found=True)
        self.prove()
        since = time.time() if is_first else None
        return submitter.submit_or_confirm(
            earlier[-1].generation + 1 if earlier else record.job.epoch,
            try_number - 1 - (tries_before_clear if record.job.epoch else 0),
            lambda generation: submitter.submit(generation, {**self.request, **self.late_members()}, since=since),
            self._log_started,
        )

    def _cancel_previous(self) -> None:
        """Cancel the run of an earlier try that asked for something else, by the state store's record."""
        previous, submitter = self.submitter.record.previous, self.submitter
        if previous is None or previous.external_id is None:
            return
        run = submitter.read(previous.external_id)
        if run is not None and previous.is_job(run.uuid):
            submitter.cancel_superseded(run)

    def _log_started(self, run: RunSnapshot) -> None:
        known = (run.run_id, self.submitter.names[0], run.output_uri)
        self.submitter.log.info("%s", entry("Started HealthOmics run %s (%s); its outputs go to %s", *known))
