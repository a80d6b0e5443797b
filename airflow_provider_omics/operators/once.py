"""Starting one run for one intent, however often the task is tried."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_omics.healthomics.identity import Intent
from airflow_provider_omics.healthomics.outcome import RunView
from airflow_provider_omics.healthomics.statuses import Phase
from airflow_provider_omics.healthomics.waiting import Log
from airflow_provider_omics.hooks.omics import EarlierRun, OmicsHook
from airflow_provider_omics.operators.memory import Memory

# How long a run that StartRun has just named may be not found before it counts as deleted.
_PAUSES = (1.0, 2.0, 4.0)


@dataclass(frozen=True)
class OnceStarter:
    """Starts the run of an intent, or finds the one that an earlier try started.

    A run that was seen to end badly is replaced: only then does the generation grow, and with it the request id.

    :param tagged: whether runs carry the intent as tags, which needs ``omics:TagResource``; without them an
        earlier run is only found if it has the default name.
    :param memory: what earlier tries left to know.
    :param pause: sleeps so many seconds.
    """

    hook: OmicsHook
    intent: Intent
    tagged: bool
    log: Log
    memory: Memory
    pause: Callable[[float], object] = time.sleep

    def start(self, request: Mapping[str, Any], generation: int = 0) -> RunView:
        """Start a run without looking for those of earlier tries.

        :param request: the StartRun request; its ``requestId``, if it has one, is kept.
        :raises OmicsServiceError: the service refused it.
        """
        tags = {**(request.get("tags") or {}), **(self.intent.tags(generation) if self.tagged else {})}
        asked = {"requestId": self.intent.request_id(generation), **request, "name": self._name(request)}
        self.memory.intend(generation)
        run = self.hook.start_run(
            {**asked, "tags": tags} if tags else asked,
            find=lambda: self._unanswered(request, generation),
            pause=self.pause,
        )
        self.memory.started(generation, run.run_id, run.uuid)
        self.log.info(
            "Started HealthOmics run %s (%s); its outputs go to %s", run.run_id, asked["name"], run.output_uri
        )
        return run

    def start_once(
        self, request: Mapping[str, Any], *, try_number: int, tries_before_clear: int = 0
    ) -> tuple[RunView, bool]:
        """Start the run, or return the one that there is.

        :param request: the StartRun request without ``requestId``.
        :param try_number: which try of the task this is, 1 for the first.
        :param tries_before_clear: how many tries were over when the task was last cleared.
        :return: the run, and whether it was found and not started now.
        :raises OmicsServiceError: the service refused it.
        """
        earlier = self.find_earlier(request) if try_number > 1 or self.memory.job.asked else []
        if earlier and not _ended_badly(earlier[-1].run):
            return self._adopt(earlier[-1]), True
        lowest = self.memory.job.from_generation
        generation = earlier[-1].generation + 1 if earlier else lowest
        run = self.start(request, generation)
        # Its request id may still stand for a run of an earlier try that could not be found by name and tags. No try
        # started more than one, so the generation stays below the number of this one: a run started now is kept.
        tries = try_number - 1 - (tries_before_clear if lowest else 0)
        while generation < lowest + tries and not self._is_usable(run):
            generation += 1
            run = self.start(request, generation)
        return run, False

    def find_earlier(self, request: Mapping[str, Any]) -> list[EarlierRun]:
        """Find the runs of earlier tries, oldest first: the one remembered, or those of this name and these tags."""
        job = self.memory.job
        if job.job_id is not None:
            run = self.hook.look_up(job.job_id)
            if run is not None and job.is_job(run.uuid):
                self._tell_if_over(run)
                return [EarlierRun(job.generation, run)]
        found = self.hook.find_earlier_runs(self.intent, self._name(request))
        found = [earlier for earlier in found if earlier.generation >= job.from_generation]
        if found:
            self._tell_if_over(found[-1].run)
        return found

    def drop_left(self) -> None:
        """Cancel the run of an earlier try that asked for something else: nobody wants it any more."""
        left = self.memory.left
        run = self.hook.look_up(left.job_id) if left is not None and left.job_id is not None else None
        if left is None or run is None or run.phase.is_final or not left.is_job(run.uuid):
            return
        self.hook.cancel_run(run.run_id)
        self.log.info(
            "Asked HealthOmics to cancel run %s of an earlier try: the task asks for something else now", run.run_id
        )

    def _unanswered(self, request: Mapping[str, Any], generation: int) -> RunView | None:
        """Return the run that a call made whose answer was lost on its way; None if there is none."""
        found = self.hook.find_earlier_runs(self.intent, self._name(request))
        return next((earlier.run for earlier in found if earlier.generation == generation), None)

    def _is_usable(self, run: RunView) -> bool:
        for seconds in (0.0, *_PAUSES):
            if self.pause(seconds):
                # The task was killed, and whoever settles that needs to know of the run.
                return True
            seen = self.hook.look_up(run.run_id)
            if seen is not None:
                self._tell_if_over(seen)
                return not _ended_badly(seen)
        self.log.info("HealthOmics run %s of an earlier try is gone; replacing it", run.run_id)
        return False

    def _name(self, request: Mapping[str, Any]) -> str:
        return request.get("name") or self.intent.default_name()

    def _adopt(self, earlier: EarlierRun) -> RunView:
        run = earlier.run
        self.log.info("HealthOmics run %s was started for this task before and is %s", run.run_id, run.status)
        self.memory.started(earlier.generation, run.run_id, run.uuid)
        return run

    def _tell_if_over(self, run: RunView) -> None:
        if _ended_badly(run):
            self.log.info("HealthOmics run %s of an earlier try ended %s; replacing it", run.run_id, run.status)


def _ended_badly(run: RunView) -> bool:
    return run.phase.is_final and run.phase is not Phase.SUCCEEDED
