"""Collecting the use of the runs of a cohort: paced, within a number of calls, and kept in S3 on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.counting import counted
from airflow_provider_omics.healthomics.api.logger import Log
from airflow_provider_omics.healthomics.api.retrying import Retrying
from airflow_provider_omics.healthomics.discovery.checkpoint import CohortCheckpoint
from airflow_provider_omics.jobs.use_reader import CallsUsedUp, RunUseReader
from airflow_provider_omics.usage.choice import UsageMode, choose
from airflow_provider_omics.usage.columns import SampleUse
from airflow_provider_omics.usage.records import RunRecord
from airflow_provider_omics.usage.run_use import RunUse

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook

_RUNS_OF_A_PART = 200


@dataclass
class UsageCollector:
    """Collector of the use of a cohort's runs.

    What was looked up is kept in S3, part by part, so that a later try of the task goes on where this one was killed.

    :param retrying: makes each call again while that may help.
    :param calls_limit: most calls.
    :param note_tasks: gets each run whose tasks :meth:`collect` reads, not those that an earlier try has read; None
        for nobody.
    """

    hook: OmicsHook
    log: Log
    retrying: Retrying
    calls_limit: int
    note_tasks: Callable[[RunRecord], None] | None = None

    @cached_property
    def _reader(self) -> RunUseReader:
        return RunUseReader(self.hook, self.log, self.retrying, self.calls_limit, self.note_tasks)

    def collect(
        self, checkpoint: CohortCheckpoint, samples: Iterable[str], mode: UsageMode, sample_size: int
    ) -> dict[str, SampleUse]:
        """Return the use of samples, as far as the number of calls lets it be looked up.

        :param samples: ids of all samples, in the order of the input.
        :raises OmicsError: the task was killed.
        :raises OmicsServiceError: a call failed for good.
        """
        chosen = choose(self._runs(checkpoint, samples), mode, sample_size, checkpoint.cohort)
        parts = _Parts(self.hook, f"{checkpoint.settings_place}/usage-{checkpoint.batches[0].batch_id}")
        uses: dict[str, SampleUse] = {}
        try:
            for sample, runs in chosen.items():
                uses[sample] = SampleUse(tuple(self._use(run, parts) for run in runs))
        except CallsUsedUp:
            left = len(chosen) - len(uses)
            self.log.warning("The use of %s was not looked up (usage_calls_limit)", counted(left, "samples"))
        finally:
            parts.write()
        return uses

    def _runs(self, checkpoint: CohortCheckpoint, samples: Iterable[str]) -> dict[str, list[RunRecord]]:
        found: dict[str, list[RunRecord]] = {sample: [] for sample in samples}
        for batch in checkpoint.batches:
            listed = self._reader.runs_of_batch(batch.batch_id)
            if listed is None:
                self.log.warning("Batch %s is gone, and the use of its runs is not counted", batch.batch_id)
            for sample, run in listed or ():
                if sample in found:
                    found[sample].append(run)
        return {sample: runs for sample, runs in found.items() if runs}

    def _use(self, run: RunRecord, parts: _Parts) -> RunUse:
        stored = parts.stored.get(run.uuid or "")
        if stored is not None:
            return stored
        run_use = self._reader.read(run)
        parts.add(run_use)
        return run_use


class _Parts:
    """Objects in S3 that hold what was looked up already, by this try of a task or an earlier one.

    :param place: what their names begin with.
    """

    def __init__(self, hook: OmicsHook, place: str) -> None:
        self.stored: dict[str, RunUse] = {}
        self._hook = hook
        self._place = place
        self._number = 0
        self._new: list[RunUse] = []
        while hook.storage.exists(self._uri):
            with hook.storage.open(self._uri) as lines:
                self._add_stored(json.loads(line) for line in lines)
            self._number += 1

    def add(self, use: RunUse) -> None:
        """Keep the use of a run, unless something of it may be known later."""
        if use.uuid and use.billed_seconds is not None and use.storage_gib_hours is not None:
            self._new.append(use)
        if len(self._new) >= _RUNS_OF_A_PART:
            self.write()

    def write(self) -> None:
        """Write what is not written yet."""
        if self._new:
            lines = [json.dumps(use.to_json()) + "\n" for use in self._new]
            self._hook.storage.write(self._uri, lines, "application/x-ndjson")
            self._new, self._number = [], self._number + 1

    @property
    def _uri(self) -> str:
        return f"{self._place}-{self._number:05}.jsonl"

    def _add_stored(self, saved: Iterable[Mapping[str, Any]]) -> None:
        uses: Sequence[RunUse] = [RunUse.from_json(each) for each in saved]
        self.stored.update({use.uuid: use for use in uses if use.uuid})
