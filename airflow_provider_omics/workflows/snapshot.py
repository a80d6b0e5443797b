"""The snapshot of a workflow or of a version: its state as one answer showed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from airflow_provider_omics.healthomics.api.payload import Payload
from airflow_provider_omics.healthomics.api.statuses import Phase, WorkflowStatus, classify

CONTENT_TAG = "airflow-workflow-content"
"""Tag with the digest of what a workflow or a version was made of."""


@dataclass(frozen=True, slots=True)
class WorkflowSnapshot(Payload):
    """Snapshot of a workflow or of a version. No member of an answer is guaranteed by the API.

    :param version_name: None for the workflow itself, which is the version that runs use by default.
    :param uuid: its identity for ever; ids and names can be given again after a deletion.
    :param content: digest of what it was made of, as its tag has it; None without the tag.
    """

    KIND: ClassVar[str] = "workflow"

    workflow_id: str
    version_name: str | None = None
    status: str | None = None
    arn: str | None = None
    uuid: str | None = None
    name: str | None = None
    status_message: str | None = None
    content: str | None = None
    created_at: float | None = None

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> WorkflowSnapshot:
        """Read an answer about a workflow or a version, or an item of a list of them."""
        created = answer.get("creationTime")
        return cls(
            workflow_id=answer.get("workflowId") or answer["id"],
            version_name=answer.get("versionName"),
            status=answer.get("status"),
            arn=answer.get("arn"),
            uuid=answer.get("uuid"),
            name=answer.get("name"),
            status_message=answer.get("statusMessage"),
            content=(answer.get("tags") or {}).get(CONTENT_TAG),
            created_at=None if created is None else created.timestamp(),
        )

    @property
    def phase(self) -> Phase:
        """What the status means to a waiter."""
        return classify(WorkflowStatus, self.status)

    @property
    def label(self) -> str:
        """What to call it in a message."""
        named = f"workflow {self.workflow_id}" + (f" ({self.name})" if self.name else "")
        return named if self.version_name is None else f"version {self.version_name} of {named}"

    @property
    def command(self) -> str:
        """Command of the AWS CLI that shows it."""
        return self._command("get")

    @property
    def deletion(self) -> str:
        """Command of the AWS CLI that deletes it."""
        return self._command("delete")

    def describe(self) -> str:
        """Tell the state, for the log."""
        status = repr(self.status) if self.phase is Phase.UNKNOWN else self.status
        return f"HealthOmics {self.label} is {status}"

    def as_deleted(self) -> WorkflowSnapshot:
        """Return it as it is once the service does not know it any more."""
        return replace(self, status=WorkflowStatus.DELETED.value)

    def _command(self, verb: str) -> str:
        if self.version_name is None:
            return f"aws omics {verb}-workflow --id {self.workflow_id}"
        known = f"--workflow-id {self.workflow_id} --version-name {self.version_name}"
        return f"aws omics {verb}-workflow-version {known}"
