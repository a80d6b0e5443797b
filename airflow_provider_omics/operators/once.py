"""Starting one run for one intent, however often the task is tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_omics.healthomics.exceptions import OmicsServiceError
from airflow_provider_omics.healthomics.identity import Intent
from airflow_provider_omics.healthomics.outcome import RunView
from airflow_provider_omics.healthomics.statuses import Phase
from airflow_provider_omics.healthomics.waiting import Log
from airflow_provider_omics.hooks.omics import EarlierRun, OmicsHook


@dataclass(frozen=True)
class OnceStarter:
    """Starts the run of an intent, or finds the one that an earlier try started.

    A run that was seen to end badly is replaced: only then does the generation grow, and with it the request id.

    :param tagged: whether runs carry the intent as tags, which needs ``omics:TagResource``; without them an
        earlier run is only found if it has the default name.
    """

    hook: OmicsHook
    intent: Intent
    tagged: bool
    log: Log

    def start(self, request: Mapping[str, Any], *, look_first: bool) -> RunView:
        """Start the run, or return the one that there is.

        :param request: the StartRun request without ``requestId``.
        :param look_first: whether an earlier try may have started a run.
        :raises OmicsServiceError: the service refused it.
        """
        name = request.get("name") or self.intent.default_name()
        earlier = self.hook.find_earlier_runs(self.intent, name) if look_first else []
        if earlier and not _ended_badly(earlier[-1].run):
            return self._adopt(earlier[-1])
        generation = earlier[-1].generation + 1 if earlier else 0
        if earlier:
            last = earlier[-1].run
            self.log.info("HealthOmics run %s of an earlier try ended %s; replacing it", last.run_id, last.status)
        return self._ask(request, name, generation)

    def _ask(self, request: Mapping[str, Any], name: str, generation: int) -> RunView:
        tags = {**(request.get("tags") or {}), **(self.intent.tags(generation) if self.tagged else {})}
        asked = {**request, "name": name, "requestId": self.intent.request_id(generation)}
        if tags:
            asked["tags"] = tags
        try:
            run = self.hook.start_run(asked)
        except OmicsServiceError as error:
            if error.code != "ConflictException":
                raise
            # The first answer to this request id was lost on its way: its run is there.
            for found in self.hook.find_earlier_runs(self.intent, name):
                if found.generation == generation:
                    return self._adopt(found)
            raise
        self.log.info("Started HealthOmics run %s (%s); its outputs go to %s", run.run_id, name, run.output_uri)
        return run

    def _adopt(self, found: EarlierRun) -> RunView:
        run = found.run
        self.log.info("HealthOmics run %s was started for this task before and is %s", run.run_id, run.status)
        return run


def _ended_badly(run: RunView) -> bool:
    return run.phase.is_final and run.phase is not Phase.SUCCEEDED
