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
    :param is_own: whether the task is the one that makes it; a sensor is not.
    :param is_tagged: whether its content is known by a tag; without it, whatever has the name counts as the same.
    """

    workflow: WorkflowSnapshot
    was_there: bool = False
    is_own: bool = True
    is_tagged: bool = True

    def describe(self) -> str:
        """Return cause, place and remedy, as lines."""
        one = self.workflow
        made = "made of the same content before" if self.is_tagged else "which has the name already"
        since = f", {made}" if self.was_there else ""
        lines = [f"HealthOmics {one.label} is {one.status}{since}: {one.status_message or 'no reason is given'}"]
        found = places(one.status_message or "")
        if found:
            lines.append(f"Where: {', '.join(found)}")
        return "\n".join([*lines, f"What to do: {self._remedy}"])

    @property
    def _remedy(self) -> str:
        one = self.workflow
        if not self.is_own:
            return "have another one made by whoever made this one, and give its id or version to this task"
        if one.phase is Phase.DELETED:
            return "somebody has deleted it meanwhile; clear the task to make it again"
        again = f"delete it first ({one.deletion}), and clear the task"
        if one.status == WorkflowStatus.INACTIVE:
            return f"it cannot be used any more, and stands in the way of another one of its content; {again}"
        if not self.is_tagged:
            return f"correct the definition. Without identity_tags what has the name counts as the same, so {again}"
        same = f"To have the same content tried again, {again}"
        return f"correct the definition, whose new content becomes another one. {same}"


def places(message: str) -> list[str]:
    """Return the places in a definition that a message names, as ``main.wdl:3:5``, at most five."""
    found = (":".join(filter(None, match.group("file", "line", "column"))) for match in _PLACE.finditer(message))
    return list(dict.fromkeys(found))[:_MOST_PLACES]
