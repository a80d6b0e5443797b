"""Runs that only pass time: seeded durations and outcomes, on the timeline, without a thread per run."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_omics.local.executors.base import RunReport
from airflow_provider_omics.local.executors.outcomes import (
    COMPLETED,
    OutcomeRule,
    SimulatedOutcomes,
    Simulation,
)
from airflow_provider_omics.local.executors.simulation import (
    IMAGE_TAG,
    OUTCOME_TAG,
    has_metrics,
    reserved_by,
    reserved_in,
    seconds_of,
    tasks_of,
)
from airflow_provider_omics.local.runs.caching import cache_of, etags_of, find_entry

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.records import Run, Workflow

# Codes that a task's failure gives; with all others the run fails without a failed task.
_TASK_FAILURES = frozenset(
    {
        "RUN_TASK_FAILED",
        "OUT_OF_MEMORY_ERROR",
        "TASK_TIMED_OUT",
        "CANNOT_START_CONTAINER_ERROR",
        "INSTANCE_RESERVATION_FAILED",
        "ALL_PROFILES_INSTANCE_RESERVATION_FAILED",
    }
)


class SimulatedExecutor:
    """Ends every run on the account's timeline; the same seed and names give the same durations and outcomes.

    :param seed: seeds every run's random numbers, together with its name or run setting id and how often
        that came before.
    """

    def __init__(self, state: AccountState, outcomes: SimulatedOutcomes | None = None, seed: int = 0) -> None:
        self._state = state
        self._outcomes = outcomes or SimulatedOutcomes()
        self._seed = seed
        self._usual = reserved_in(self._outcomes.metrics)._asdict()
        self._launches: Counter[str] = Counter()
        self._rule_uses: Counter[int] = Counter()

    def prepare(self) -> None:
        """Do nothing: there is nothing to load."""

    def launch(self, run: Run, workflow: Workflow, report: RunReport, *, reason: str | None = None) -> None:
        """Begin a run: everything that follows is on the timeline.

        :param reason: why the run is simulated, for its log.
        """
        run.simulation = self._simulation(run)
        run.simulation.reason = reason
        if cache_of(self._state, run) is not None:
            run.simulation.cache_keys = {}
        self._next_task(run, report, run.simulation, 0)

    def cancel(self, run: Run) -> bool:
        """Stop a run; its steps on the timeline find it cancelled and do nothing."""
        return False

    def close(self) -> None:
        """Stop everything; nothing runs outside of the timeline."""

    def _simulation(self, run: Run) -> Simulation:
        name = run.run_setting_id or run.request.get("name") or ""
        nth = self._launches[name]
        self._launches[name] += 1
        seed = f"{self._seed}:{name}:{nth}"
        rng = random.Random(seed)
        timings = self._state.timings
        seconds = rng.uniform(timings.running_min, timings.running_max)
        outcome = self._chance(rng)
        tasks = tasks_of(run, self._outcomes.tasks)
        fails_at = rng.randrange(len(tasks)) if tasks else None
        rule = self._matching_rule(run)
        if rule is not None:
            outcome, seconds = rule.outcome, seconds if rule.seconds is None else rule.seconds
        outcome = run.tags.get(OUTCOME_TAG, outcome)
        return Simulation(
            outcomes=self._outcomes,
            seed=seed,
            outcome=outcome,
            seconds=seconds_of(run, seconds),
            tasks=tasks,
            fails_at=fails_at if outcome in _TASK_FAILURES else None,
            has_metrics=has_metrics(run),
        )

    def _chance(self, rng: random.Random) -> str:
        if rng.random() >= self._outcomes.failure_share:
            return COMPLETED
        reasons = self._outcomes.failure_reasons
        return rng.choices(list(reasons), list(reasons.values()))[0]

    def _matching_rule(self, run: Run) -> OutcomeRule | None:
        names = [name for name in (run.run_setting_id, run.request.get("name")) if name]
        for index, rule in enumerate(self._outcomes.rules):
            if rule.times is not None and self._rule_uses[index] >= rule.times:
                continue
            if any(fnmatchcase(name, rule.pattern) for name in names):
                self._rule_uses[index] += 1
                return rule
        return None

    def _next_task(self, run: Run, report: RunReport, simulation: Simulation, index: int) -> None:
        if run.cancel_requested:
            return
        tasks = simulation.tasks
        if index == len(tasks):
            seconds = 0 if tasks else simulation.seconds
            self._state.timeline.after(seconds, partial(self._finish, run, report, simulation))
            return
        reserved = reserved_by(run, simulation, tasks[index])._asdict() if simulation.has_metrics else self._usual
        wanted = {**reserved, "image": run.tags.get(IMAGE_TAG)}
        key = None if simulation.cache_keys is None else self._cache_key(run, simulation, index)
        # What depends on a task that was computed again is computed again, too.
        follows = not simulation.cache_keys
        if key is not None and follows and index != simulation.fails_at:
            entry = find_entry(self._state, run, key, tasks[index])
            if entry is not None:
                report.task_cached(tasks[index], entry.s3_uri, **wanted)
                self._state.timeline.after(0, partial(self._next_task, run, report, simulation, index + 1))
                return
        task_id = report.task_started(tasks[index], **wanted)
        if simulation.cache_keys is not None and key is not None:
            simulation.cache_keys[task_id] = key
        self._state.timeline.after(
            simulation.seconds / len(tasks), partial(self._end_task, run, report, simulation, index, task_id)
        )

    def _cache_key(self, run: Run, simulation: Simulation, index: int) -> str:
        """Return what tells a task apart: definition, tasks up to it, image, parameters and the objects they name."""
        parameters = run.request.get("parameters")
        parts = [
            run.workflow.digest or run.workflow.arn,
            simulation.tasks[: index + 1],
            run.tags.get(IMAGE_TAG),
            parameters,
            etags_of(self._state, parameters),
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _end_task(self, run: Run, report: RunReport, simulation: Simulation, index: int, task_id: str) -> None:
        if run.cancel_requested:
            return
        name = simulation.tasks[index]
        if index != simulation.fails_at:
            report.task_ended(task_id)
            self._next_task(run, report, simulation, index + 1)
            return
        text = f"Simulated failure of task {name}: {simulation.outcome}"
        report.task_ended(task_id, failure_reason=simulation.outcome, status_message=text)
        report.failed(simulation.outcome, f"Task {name} ({task_id}) failed: {simulation.outcome}")

    def _finish(self, run: Run, report: RunReport, simulation: Simulation) -> None:
        if simulation.outcome != COMPLETED:
            report.failed(simulation.outcome, f"Simulated failure: {simulation.outcome}")
        elif self._write_outputs(run, report):
            report.completed()

    def _write_outputs(self, run: Run, report: RunReport) -> bool:
        from airflow_provider_omics.local.aws import S3Error

        try:
            for path, content in self._outcomes.outputs.items():
                self._state.aws.put_object(f"{run.output_root}/{path}", content)
        except S3Error as error:
            report.failed("EXPORT_FAILED", f"The outputs could not be written: {error}")
            return False
        return True
