"""What a run came to: its state as last seen, and everything that explains a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_omics.healthomics.failures import CANCELLED, DELETED, FailureAdvice, advise
from airflow_provider_omics.healthomics.statuses import Phase, RunStatus, classify

if TYPE_CHECKING:
    from mypy_boto3_omics.type_defs import GetRunResponseTypeDef, StartRunResponseTypeDef

_LONGEST_LINE = 500


@dataclass(frozen=True, slots=True)
class RunView:
    """One look at a run. No member of an answer is guaranteed by the API, so all but the id may be missing.

    :param run_id: the run's id, which the service may give to another run after a deletion.
    :param uuid: the run's identity for ever.
    :param output_uri: where the run writes, ``runOutputUri``.
    :param failure_code: ``failureReason`` of a failed run.
    """

    KIND: ClassVar[str] = "run"

    run_id: str
    status: str | None = None
    arn: str | None = None
    uuid: str | None = None
    name: str | None = None
    output_uri: str | None = None
    failure_code: str | None = None
    status_message: str | None = None

    @classmethod
    def of(cls, answer: GetRunResponseTypeDef | StartRunResponseTypeDef) -> RunView:
        """Read the answer of StartRun or GetRun."""
        members: Mapping[str, Any] = answer
        return cls(
            run_id=members["id"],
            status=members.get("status"),
            arn=members.get("arn"),
            uuid=members.get("uuid"),
            name=members.get("name"),
            output_uri=members.get("runOutputUri"),
            failure_code=members.get("failureReason"),
            status_message=members.get("statusMessage"),
        )

    @property
    def phase(self) -> Phase:
        """What the run's status means to a waiter."""
        return classify(RunStatus, self.status)

    @property
    def label(self) -> str:
        """What to call it in a message."""
        return f"run {self.run_id}"

    @property
    def command(self) -> str:
        """Command of the AWS CLI that shows it."""
        return f"aws omics get-run --id {self.run_id}"

    def describe(self) -> str:
        """Tell the run's state, for the log."""
        status = repr(self.status) if self.phase is Phase.UNKNOWN else self.status
        return f"HealthOmics {self.label} is {status}"

    def gone(self) -> RunView:
        """Return the run as it is once the service does not know it any more."""
        return replace(self, status=RunStatus.DELETED.value)

    def to_payload(self) -> dict[str, str | None]:
        """Return the view as JSON values, for a trigger event."""
        return asdict(self)

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> RunView:
        """Read what :meth:`to_payload` wrote, in this release or another."""
        known = {member.name for member in fields(cls)}
        return cls(**{key: value for key, value in payload.items() if key in known})


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

    run: RunView
    failed_tasks: tuple[FailedTask, ...] = ()
    more_failed_tasks: bool = False
    note: str | None = None
    console_url: str | None = None
    sample: str | None = None
    advice: FailureAdvice = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "advice", advise(self.run.failure_code))

    def describe(self) -> str:
        """Return the whole story, for the task's log and its exception."""
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


_ADVICE_BY_PHASE = {Phase.CANCELLED: CANCELLED, Phase.DELETED: DELETED}


def _cause(task: FailedTask) -> str:
    return _cut(": ".join(part for part in (task.failure_code, task.status_message) if part) or "no reason given")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]} [{len(text) - _LONGEST_LINE} more]"
