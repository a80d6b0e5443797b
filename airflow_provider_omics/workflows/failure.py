"""Why a workflow or a version cannot be used."""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.statuses import Phase, WorkflowStatus
from airflow_provider_omics.workflows.snapshot import WorkflowSnapshot

# The forms of miniwdl, of cwltool and of Nextflow: main.wdl (Ln 3 Col 5), main.cwl:3:5, main.nf: line 3, column 5.
_PLACE = re.compile(
    r"(?P<file>[\w./-]+\.(?:wdl|cwl|nf|config|json|ya?ml))[\s,:(@]*(?:Ln|[Ll]ine)?[\s:]*(?P<line>\d+)\b"
    r"(?:[\s,:]+(?:Col|[Cc]olumn)?[\s:]*(?P<column>\d+)\b)?"
)
_MOST_PLACES = 5


class OmicsWorkflowFailedError(OmicsError):
    """A workflow or a version cannot be used, and will never be.

    :ivar failure: the workflow or version as it ended, and what to do.
    """

    def __init__(self, failure: WorkflowFailure) -> None:
        super().__init__(failure)
        self.failure = failure

    def message(self) -> str:
        """Return cause, place and remedy, in this order, as lines that may be long."""
        return self.failure.describe()

    @property
    def workflow_id(self) -> str:
        """Id of the workflow."""
        return self.failure.workflow.workflow_id

    @property
    def version_name(self) -> str | None:
        """Name of the version; None for the workflow itself."""
        return self.failure.workflow.version_name

    @property
    def status(self) -> str | None:
        """Status that it ended with."""
        return self.failure.workflow.status

    @property
    def status_message(self) -> str | None:
        """The service's ``statusMessage``."""
        return self.failure.workflow.status_message


@dataclass(frozen=True)
class WorkflowFailure:
    """Everything that explains why a workflow or a version cannot be used.

    :param was_there: whether an earlier try, or another task, had made it.
    """

    workflow: WorkflowSnapshot
    was_there: bool = False

    def describe(self) -> str:
        """Return cause, place and remedy, as lines."""
        one = self.workflow
        since = ", made of the same content before" if self.was_there else ""
        lines = [f"HealthOmics {one.label} is {one.status}{since}: {one.status_message or 'no reason is given'}"]
        found = places(one.status_message or "")
        if found:
            lines.append(f"Where: {', '.join(found)}")
        return "\n".join([*lines, f"What to do: {self._remedy}"])

    @property
    def _remedy(self) -> str:
        one = self.workflow
        if one.phase is Phase.DELETED or one.status == WorkflowStatus.INACTIVE:
            return "somebody has deleted or closed it meanwhile; clear the task to make it again"
        again = f"To have the same content tried again, delete it first ({one.deletion}), and clear the task"
        return f"correct the definition, whose new content becomes another one. {again}"


def places(message: str) -> list[str]:
    """Return the places in a definition that a message names, as ``main.wdl:3:5``, at most five."""
    found = (":".join(filter(None, match.group("file", "line", "column"))) for match in _PLACE.finditer(message))
    return list(dict.fromkeys(found))[:_MOST_PLACES]
