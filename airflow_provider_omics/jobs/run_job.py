"""Starting one run for one intent, however often the task is tried."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.api.statuses import Phase, RunStatus
from airflow_provider_omics.healthomics.discovery.jobs import (
    RUN,
    Discovery,
    EarlierJob,
    find_jobs,
    names_of,
    show,
    tell_unread,
    unanswered,
    was_created_since,
)
from airflow_provider_omics.healthomics.requests.identity import JobKey
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.jobs.record import JobRecord
from airflow_provider_omics.jobs.rivals import Rivals

# How long a run that StartRun has just named may be not found before it counts as deleted.
_PAUSES = (1.0, 2.0, 4.0)


@dataclass(frozen=True)
class EarlierRun:
    """A run that an earlier try of a task started.

    :param generation: which job of the intent it was, 0 for the first.
    """

    generation: int
    run: RunSnapshot

    @classmethod
    def of(cls, job: EarlierJob) -> EarlierRun:
        """Read what GetRun has shown."""
        answer: Any = job.answer
        return cls(job.generation, RunSnapshot.of(answer))


@dataclass(frozen=True)
class IdempotentSubmitter:
    """Starts the run of an intent, or finds the one that an earlier try started.

    A run that was seen to end badly is replaced: only then does the generation grow, and with it the request id.

    :param tagged: whether runs carry the intent as tags, which needs ``omics:TagResource``; without them an
        earlier run is only found if it has the default name.
    :param record: what earlier tries left to know.
    :param pause: sleeps so many seconds.
    :param prove: called once before a run is asked for, where none of an earlier try is taken over.
    :param rivals: tries that may be starting the run at the same time; None for none.
    """

    hook: OmicsHook
    intent: JobKey
    tagged: bool
    log: Log
    record: JobRecord
    pause: Callable[[float], object] = time.sleep
    prove: Callable[[], None] = lambda: None
    rivals: Rivals | None = None

    def start(self, request: Mapping[str, Any], generation: int = 0) -> RunSnapshot:
        """Start a run without looking for those of earlier tries.

        :param request: the StartRun request; its ``requestId``, if it has one, is kept.
        :raises OmicsServiceError: the service refused it.
        """
        self.prove()
        run = self._ask(request, generation, is_first=False)
        self._log_started(run, request)
        return run

    def get_or_submit(
        self,
        request: Mapping[str, Any],
        *,
        try_number: int,
        tries_before_clear: int = 0,
        cancel_others: bool = False,
    ) -> tuple[RunSnapshot, bool]:
        """Start the run, or return the one that there is.

        :param request: the StartRun request without ``requestId``.
        :param try_number: which try of the task this is, 1 for the first.
        :param tries_before_clear: how many tries were over when the task was last cleared.
        :param cancel_others: whether runs that the task started when it asked for something else are cancelled.
        :return: the run, and whether it was found and not started now.
        :raises OmicsServiceError: the service refused it.
        """
        is_first = try_number == 1 and not self.record.job.is_submitted
        earlier = [] if is_first else self._find(request, tries_before_clear, cancel_others=cancel_others)
        if earlier:
            if not _has_failed(earlier[-1].run):
                return self._reattach(earlier[-1])
            self._log_if_failed(earlier[-1].run)
        self.prove()
        lowest = self.record.job.epoch
        generation = earlier[-1].generation + 1 if earlier else lowest
        # Its request id may still stand for a run of an earlier try that could not be found by name and tags. No try
        # started more than one, so the generation stays below the number of this one: a run started now is kept.
        highest = lowest + try_number - 1 - (tries_before_clear if lowest else 0)
        while generation < highest:
            asked_at = time.time()
            run = self._ask_alone(request, generation, is_first=False)
            usable = self._confirm(run, generation, request, asked_at)
            if usable is not None:
                return usable
            generation += 1
        run = self._ask_alone(request, generation, is_first=is_first)
        self._log_started(run, request)
        return run, False

    def find_earlier(self, request: Mapping[str, Any], tries_before_clear: int) -> list[EarlierRun]:
        """Find the runs of earlier tries, oldest first: the one remembered, or those of this name and these tags.

        :param tries_before_clear: how many tries were over when the task was last cleared.
        """
        return self._find(request, tries_before_clear, cancel_others=False)

    def find_active(self, request: Mapping[str, Any]) -> RunSnapshot | None:
        """Find a run of the task that goes on, whatever it computes; None if none does."""
        if (remembered := self._remembered()) is not None:
            return None if remembered.run.phase.is_final else remembered.run
        found = self._discover(request)
        unfinished = [job for job in (*reversed(found.jobs), *found.others) if job.finished_try is None]
        runs = [EarlierRun.of(job).run for job in unfinished]
        return next((run for run in runs if not run.phase.is_final), None)

    def cancel_previous(self) -> None:
        """Cancel the run of an earlier try that asked for something else: nobody wants it any more."""
        previous = self.record.previous
        run = (
            self.hook.find_run(previous.external_id)
            if previous is not None and previous.external_id is not None
            else None
        )
        if previous is not None and run is not None and previous.is_job(run.uuid):
            self._cancel_superseded(run)

    def _find(self, request: Mapping[str, Any], tries_before_clear: int, *, cancel_others: bool) -> list[EarlierRun]:
        if (remembered := self._remembered()) is not None:
            return [remembered]
        found = self._discover(request)
        if cancel_others:
            for job in found.others:
                if job.finished_try is None:
                    self._cancel_superseded(EarlierRun.of(job).run)
        self.record.reset_after_clear_by_tags(found.jobs, tries_before_clear, _has_completed)
        return [EarlierRun.of(job) for job in found.jobs if job.generation >= self.record.job.epoch]

    def _remembered(self) -> EarlierRun | None:
        job = self.record.job
        run = self.hook.find_run(job.external_id) if job.external_id is not None else None
        if run is None or not job.is_job(run.uuid):
            return None
        return EarlierRun(job.generation, run)

    def _discover(self, request: Mapping[str, Any]) -> Discovery:
        names = self._names(request)
        requests = find_jobs(RUN, self.intent, names, newest_is_enough=True)
        found = self.hook.send_requests(requests, f"runs named {names[0]!r}")
        tell_unread(RUN, names, found, self.log)
        return found

    def _cancel_superseded(self, run: RunSnapshot) -> None:
        if run.phase.is_final or run.status == RunStatus.STOPPING:
            return
        self.hook.cancel_run(run.run_id)
        self.log.info(
            "%s",
            entry(
                "Asked HealthOmics to cancel run %s of an earlier try: the task asks for something else now", run.run_id
            ),
        )

    def _ask(self, request: Mapping[str, Any], generation: int, *, is_first: bool) -> RunSnapshot:
        tags = {**(request.get("tags") or {}), **(self.intent.tags(generation) if self.tagged else {})}
        asked = {"requestId": self.intent.request_id(generation), **request, "name": self._name(request)}
        since = time.time() if is_first else None
        self.record.record_intent(generation)
        run = self.hook.start_run(
            {**asked, "tags": tags} if tags else asked,
            find=partial(self._reconcile, request, generation, since),
            pause=self.pause,
        )
        self.record.record_started(generation, run.run_id, run.uuid)
        return run

    def _ask_alone(self, request: Mapping[str, Any], generation: int, *, is_first: bool) -> RunSnapshot:
        """Ask for a run, and leave it to a try that was there first if there is one."""
        run = self._ask(request, generation, is_first=is_first)
        rival = self.rivals.settle(self._names(request), run.run_id, generation) if self.rivals is not None else None
        if rival is None:
            return run
        chosen = EarlierRun.of(rival).run
        self.record.record_started(max(rival.generation, generation), chosen.run_id, chosen.uuid)
        self.log.info("HealthOmics run %s of another try is waited for in place of run %s", chosen.run_id, run.run_id)
        return chosen

    def _reconcile(self, request: Mapping[str, Any], generation: int, since: float | None) -> RunSnapshot | None:
        """Return the run that a call made whose answer was lost on its way; None if there is none."""
        job = unanswered(self._discover(request), generation, since)
        return None if job is None else EarlierRun.of(job).run

    def _confirm(
        self, run: RunSnapshot, generation: int, request: Mapping[str, Any], asked_at: float
    ) -> tuple[RunSnapshot, bool] | None:
        """Look at the run that a request id stands for; None if it is gone, or has ended badly.

        :param asked_at: when it was asked for, in seconds since the epoch.
        """
        for seconds in (0.0, *_PAUSES):
            if self.pause(seconds):
                # The task was killed, and whoever settles that needs to know of the run.
                return run, False
            answer = self.hook.send_requests(show(RUN, run.run_id), f"run {run.run_id}")
            if not answer:
                continue
            shown: Any = answer
            seen = RunSnapshot.of(shown)
            self._log_if_failed(seen)
            if _has_failed(seen):
                return None
            if was_created_since(answer, asked_at, leeway=0.0):
                self._log_started(run, request)
                return run, False
            return self._reattach(EarlierRun(generation, seen))
        self.log.info("HealthOmics run %s of an earlier try is gone; replacing it", run.run_id)
        return None

    def _name(self, request: Mapping[str, Any]) -> str:
        return self._names(request)[0]

    def _names(self, request: Mapping[str, Any]) -> tuple[str, ...]:
        return names_of(RUN, self.intent, request.get("name"), tagged=self.tagged)

    def _reattach(self, earlier: EarlierRun) -> tuple[RunSnapshot, bool]:
        run = earlier.run
        self.log.info("HealthOmics run %s was started for this task before and is %s", run.run_id, run.status)
        self.record.record_started(earlier.generation, run.run_id, run.uuid)
        return run, True

    def _log_started(self, run: RunSnapshot, request: Mapping[str, Any]) -> None:
        told = (run.run_id, self._name(request), run.output_uri)
        self.log.info("%s", entry("Started HealthOmics run %s (%s); its outputs go to %s", *told))

    def _log_if_failed(self, run: RunSnapshot) -> None:
        if _has_failed(run):
            self.log.info("HealthOmics run %s of an earlier try ended %s; replacing it", run.run_id, run.status)


def phase_of(job: EarlierJob) -> Phase:
    """Return what the status of a run means."""
    return EarlierRun.of(job).run.phase


def _has_completed(job: EarlierJob) -> bool:
    return EarlierRun.of(job).run.phase is Phase.SUCCEEDED


def _has_failed(run: RunSnapshot) -> bool:
    return run.phase.is_final and run.phase is not Phase.SUCCEEDED
