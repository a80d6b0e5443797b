"""Runs that only pass time: seeded durations and outcomes, on the timeline, without a thread per run."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from airflow_provider_omics.local.executors.base import RunReport
from airflow_provider_omics.local.executors.run_logs import RunLogs

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.records import Run, Workflow

log = logging.getLogger(__name__)

COMPLETED = "COMPLETED"
OUTCOME_TAG = "omics-local:outcome"
SECONDS_TAG = "omics-local:seconds"

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


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomeRule:
    """How runs whose name or run setting id matches a pattern end.

    :param pattern: shell pattern such as ``sample-1*``, matched with case.
    :param outcome: ``COMPLETED`` or a failure code such as ``OUT_OF_MEMORY_ERROR``.
    :param seconds: time in RUNNING, at least 0; None for the usual one.
    :param times: how many runs it holds for, so that a later try ends otherwise; None for all.
    """

    pattern: str
    outcome: str = COMPLETED
    seconds: float | None = None
    times: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedOutcomes:
    """How simulated runs end.

    A run's own tags go first: ``omics-local:outcome`` (``COMPLETED`` or a failure code) and
    ``omics-local:seconds`` (time in RUNNING). Then the first rule that matches, then chance. With the tag
    ``omics-local:fails-starting`` a run fails with the code that is its value before it gets to RUNNING.

    :param failure_share: part of the runs that fail by chance, 0 to 1.
    :param failure_reasons: failure codes with their weights, among which chance picks.
    :param rules: forced outcomes.
    :param tasks: names of a run's tasks, which run one after the other.
    :param outputs: objects that a completed run writes: path below ``runOutputUri`` and content.
    :param write_logs: whether runs and tasks write lines to CloudWatch Logs; switch it off for very many runs.
    """

    failure_share: float = 0.0
    failure_reasons: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({"RUN_TASK_FAILED": 1.0}))
    rules: tuple[OutcomeRule, ...] = ()
    tasks: tuple[str, ...] = ("prepare", "analyse")
    outputs: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    write_logs: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.failure_share <= 1:
            raise ValueError(f"failure_share must be 0 to 1, not {self.failure_share}")


@dataclass(slots=True)
class _Script:
    """What is going to happen in one run.

    :ivar fails_at: index of the task that fails; None when no task does.
    """

    outcome: str
    seconds: float
    fails_at: int | None


class SimulatedExecutor:
    """Ends every run on the account's timeline; the same seed and names give the same durations and outcomes.

    :param seed: seeds every run's random numbers, together with its name or run setting id and how often
        that came before.
    """

    def __init__(self, state: AccountState, outcomes: SimulatedOutcomes | None = None, seed: int = 0) -> None:
        self._state = state
        self._outcomes = outcomes or SimulatedOutcomes()
        self._seed = seed
        self._launches: Counter[str] = Counter()
        self._rule_uses: Counter[int] = Counter()

    def prepare(self) -> None:
        """Do nothing: there is nothing to load."""

    def launch(self, run: Run, workflow: Workflow, report: RunReport) -> None:
        """Begin a run: everything that follows is on the timeline."""
        script = self._write_script(run)
        self._logs(run).run_line(f"Run {run.run_id} of workflow {workflow.workflow_id} started")
        self._logs(run).engine_line(f"Simulated {workflow.engine} engine, {script.seconds:.3f} s")
        self._next_task(run, report, script, 0)

    def cancel(self, run: Run) -> None:
        """Stop a run; its steps on the timeline find it cancelled and do nothing."""
        self._logs(run).run_line(f"Run {run.run_id} is stopped")

    def close(self) -> None:
        """Stop everything; nothing runs outside of the timeline."""

    def _write_script(self, run: Run) -> _Script:
        name = run.run_setting_id or run.request.get("name") or ""
        nth = self._launches[name]
        self._launches[name] += 1
        rng = random.Random(f"{self._seed}:{name}:{nth}")
        timings = self._state.timings
        seconds = rng.uniform(timings.running_min, timings.running_max)
        outcome = self._chance(rng)
        task = rng.randrange(len(self._outcomes.tasks)) if self._outcomes.tasks else None
        rule = self._matching_rule(run)
        if rule is not None:
            outcome, seconds = rule.outcome, seconds if rule.seconds is None else rule.seconds
        outcome = run.tags.get(OUTCOME_TAG, outcome)
        seconds = _seconds_of_tag(run, seconds)
        return _Script(outcome, seconds, task if outcome in _TASK_FAILURES else None)

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

    def _next_task(self, run: Run, report: RunReport, script: _Script, index: int) -> None:
        if run.cancel_requested:
            return
        tasks = self._outcomes.tasks
        if index == len(tasks):
            self._state.timeline.after(0 if tasks else script.seconds, partial(self._finish, run, report, script))
            return
        task_id = report.task_started(tasks[index])
        self._logs(run).task_lines(task_id, [f"Task {tasks[index]} started"])
        self._state.timeline.after(
            script.seconds / len(tasks), partial(self._end_task, run, report, script, index, task_id)
        )

    def _end_task(self, run: Run, report: RunReport, script: _Script, index: int, task_id: str) -> None:
        if run.cancel_requested:
            return
        name = self._outcomes.tasks[index]
        if index != script.fails_at:
            report.task_ended(task_id)
            self._next_task(run, report, script, index + 1)
            return
        text = f"Simulated failure of task {name}: {script.outcome}"
        self._logs(run).task_lines(task_id, [text])
        report.task_ended(task_id, failure_reason=script.outcome, status_message=text)
        report.failed(script.outcome, f"Task {name} ({task_id}) failed: {script.outcome}")

    def _finish(self, run: Run, report: RunReport, script: _Script) -> None:
        if script.outcome != COMPLETED:
            self._logs(run).engine_line(f"Simulated failure: {script.outcome}")
            report.failed(script.outcome, f"Simulated failure: {script.outcome}")
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

    def _logs(self, run: Run) -> RunLogs:
        return RunLogs(self._state, run, is_on=self._outcomes.write_logs)


def _seconds_of_tag(run: Run, otherwise: float) -> float:
    try:
        return max(0.0, float(run.tags.get(SECONDS_TAG, otherwise)))
    except ValueError:
        log.warning("Tag %s of run %s is not a number of seconds", SECONDS_TAG, run.run_id)
        return otherwise
