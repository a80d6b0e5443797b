"""What is going to be started, as far as it can be checked before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Plan:
    """Runs that are going to be started.

    :param region: AWS Region that they are started in.
    :param members: members of StartRun, or of ``defaultRunSetting``, by their API names.
    :param runs: how many runs.
    """

    region: str
    members: Mapping[str, Any]
    runs: int = 1

    def get(self, member: str) -> str | None:
        """Return a member that is text; None if it is not given."""
        value = self.members.get(member)
        return None if value is None else str(value)

    @property
    def workflow(self) -> str:
        """What to call the workflow, or the version of it."""
        version = self.get("workflowVersionName")
        named = f"workflow {self.get('workflowId')}"
        return named if version is None else f"version {version} of {named}"
