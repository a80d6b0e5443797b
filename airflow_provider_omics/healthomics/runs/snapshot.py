"""The snapshot of a run: its state as one answer showed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_omics.healthomics.api.payload import Payload
from airflow_provider_omics.healthomics.api.statuses import Phase, RunStatus, classify

if TYPE_CHECKING:
    from mypy_boto3_omics.type_defs import GetRunResponseTypeDef, StartRunResponseTypeDef


@dataclass(frozen=True, slots=True)
class RunSnapshot(Payload):
    """Snapshot of a run. No member of an answer is guaranteed by the API, so all but the id may be missing.

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
    def of(cls, answer: GetRunResponseTypeDef | StartRunResponseTypeDef) -> RunSnapshot:
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

    def as_deleted(self) -> RunSnapshot:
        """Return the run as it is once the service does not know it any more."""
        return replace(self, status=RunStatus.DELETED.value)
