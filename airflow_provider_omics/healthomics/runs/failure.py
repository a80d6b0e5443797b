"""Why a run failed: its failed tasks, the tails of their logs, what to do."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.failures import CANCELLED, DELETED, FailureAdvice, FailureClass, advise
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot


class OmicsRunFailedError(OmicsError):
    """A run ended, and not as COMPLETED.

    :ivar failure: the run, its failed tasks and the advice.
    """

    def __init__(self, failure: RunFailure) -> None:
        super().__init__(failure)
        self.failure = failure

    def message(self) -> str:
        """Return cause, place and remedy, in this order, as lines that may be long."""
        return self.failure.describe()

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self.failure.run.run_id

    @property
    def status(self) -> str | None:
        """Status that the run ended with."""
        return self.failure.run.status

    @property
    def failure_code(self) -> str | None:
        """GetRun's ``failureReason``."""
        return self.failure.run.failure_code

    @property
    def failure_class(self) -> FailureClass:
        """What would mend it."""
        return self.failure.advice.failure_class

    @property
    def status_message(self) -> str | None:
        """GetRun's ``statusMessage``."""
        return self.failure.run.status_message

    @property
    def failed_tasks(self) -> tuple[FailedTask, ...]:
        """The failed tasks with the tails of their logs."""
        return self.failure.failed_tasks


_LONGEST_LINE = 500
_ADVICE_BY_PHASE: dict[Phase, FailureAdvice] = {Phase.CANCELLED: CANCELLED, Phase.DELETED: DELETED}


@dataclass(frozen=True)
class FailedTask:
    """A task of a run that ended FAILED (GetRunTask).

    :param log_tail: the last lines of its CloudWatch log; empty where they could not be read.
    :param log_note: why there are no lines, where there are none.
    """

    task_id: str
    name: str | None = None
    failure_code: str | None = None
    status_message: str | None = None
    log_tail: tuple[str, ...] = ()
    log_note: str | None = None


@dataclass(frozen=True)
class RunFailure:
    """Everything that explains why a run did not complete.

    :param failed_tasks: the tasks that failed, at most as many as were asked for.
    :param more_failed_tasks: whether there are others.
    :param note: why the tasks could not be looked up, where they could not.
    :param sample: what to call the sample of a batch that it is the run of.
    """

    run: RunSnapshot
    failed_tasks: tuple[FailedTask, ...] = ()
    more_failed_tasks: bool = False
    note: str | None = None
    console_url: str | None = None
    sample: str | None = None
    advice: FailureAdvice = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "advice", advise(self.run.failure_code))

    def describe(self) -> str:
        """Return the run's end, its failed tasks and the remedy, for the task's log and its exception."""
        return "\n".join([*self._headline(), *self._tasks(), *self._closing()])

    def _headline(self) -> list[str]:
        run = self.run
        label = f"HealthOmics run {run.run_id}" + (f", {self.sample}," if self.sample else "")
        named = [f"Name: {run.name}"] if run.name else []
        if run.phase is not Phase.FAILED:
            return [f"{label} ended {run.status or 'in an unknown state'}.", *named]
        code = run.failure_code or "without a failure code"
        head = f"{label} FAILED: {code} [{self.advice.failure_class}; who can act: {self.advice.owner}]."
        message = [f"Message: {_cut(run.status_message)}"] if run.status_message else []
        return [head, *named, *message]

    def _tasks(self) -> list[str]:
        lines: list[str] = []
        for task in self.failed_tasks:
            lines.append(f"Failed task {task.task_id} ({task.name or 'no name'}): {_cause(task)}")
            lines.extend(f"  | {_cut(line)}" for line in task.log_tail)
            if task.log_note:
                lines.append(f"  ({task.log_note})")
        if self.more_failed_tasks:
            lines.append("More tasks failed; see the run in the console.")
        if self.note:
            lines.append(self.note)
        return lines

    def _closing(self) -> list[str]:
        lines = [f"Console: {self.console_url}"] if self.console_url else []
        advice = self.advice if self.run.phase is Phase.FAILED else _ADVICE_BY_PHASE.get(self.run.phase)
        return lines if advice is None else [*lines, f"What to do: {advice.advice}"]


def _cause(task: FailedTask) -> str:
    return _cut(": ".join(part for part in (task.failure_code, task.status_message) if part) or "no reason given")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]} [{len(text) - _LONGEST_LINE} more]"
