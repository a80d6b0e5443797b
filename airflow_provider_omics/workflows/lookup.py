"""Workflows by their names, for those who start runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_omics.healthomics.api.calls import Requests
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.workflows.poll import list_versions, list_workflows
from airflow_provider_omics.workflows.snapshot import WorkflowSnapshot

LATEST = "latest"
"""In place of a version's name: the newest that is ACTIVE."""
_MOST_SHOWN = 5


@dataclass(frozen=True)
class FoundWorkflow:
    """Workflow that a name stands for.

    :param version_name: the version; None for the workflow itself.
    """

    workflow_id: str
    version_name: str | None

    @classmethod
    def from_members(cls, members: Mapping[str, str]) -> FoundWorkflow:
        """Read what :attr:`members` returned."""
        return cls(members["workflowId"], members.get("workflowVersionName"))

    def describe(self, name: str) -> str:
        """Tell what a name stands for, for the log."""
        version = "" if self.version_name is None else f", version {self.version_name}"
        return f"The workflow called {name!r} is {self.workflow_id}{version}"

    @property
    def members(self) -> dict[str, str]:
        """The members of StartRun that name it."""
        version = {} if self.version_name is None else {"workflowVersionName": self.version_name}
        return {"workflowId": self.workflow_id, **version}


def find_workflow(
    operation: str, name: str, version_name: str | None = None, workflow_type: str | None = None
) -> Requests[FoundWorkflow]:
    """Find the one workflow of a name (ListWorkflows), and the version that is meant (ListWorkflowVersions).

    :param operation: API operation that it is for.
    :param version_name: ``latest`` for the newest that is ACTIVE, unless one is named so; another name is taken as it
        is.
    :param workflow_type: ``PRIVATE``, as None, or ``READY2RUN``.
    :raises OmicsRequestInvalidError: there is none, or more than one, those on their way to ACTIVE included.
    :raises OmicsError: it, or a version that is newer, is on its way to ACTIVE, so that a later try may find it.
    """
    named = yield from list_workflows(name, workflow_type)
    usable = [one for one in named if _is_usable_soon(one)]
    if len(usable) != 1:
        raise OmicsRequestInvalidError(operation, [_ambiguous(name, usable) if usable else _missing(name, named)])
    (found,) = usable
    if found.phase is not Phase.SUCCEEDED:
        raise _not_yet(operation, f"the workflow called {name!r}", found)
    if version_name != LATEST:
        return FoundWorkflow(found.workflow_id, version_name)
    versions = yield from list_versions(found.workflow_id)
    return FoundWorkflow(found.workflow_id, _latest(operation, name, found.workflow_id, versions))


def _latest(operation: str, name: str, workflow_id: str, versions: list[WorkflowSnapshot]) -> str | None:
    usable = [one for one in versions if _is_usable_soon(one)]
    if not usable:
        what = f"{LATEST!r} stands for no version: workflow {workflow_id} ({name}) has none that is ACTIVE"
        fix = "Make one with OmicsCreateWorkflowVersionOperator, or leave it out for the workflow itself"
        raise OmicsRequestInvalidError(operation, [Issue("workflow_version_name", what, fix)])
    latest = next((one for one in usable if one.version_name == LATEST), usable[-1])
    if latest.phase is not Phase.SUCCEEDED:
        # An older one would be taken without a word by those who look a moment too early.
        raise _not_yet(operation, f"the latest version of {name!r}", latest)
    return latest.version_name


def _is_usable_soon(one: WorkflowSnapshot) -> bool:
    return one.phase is Phase.SUCCEEDED or not one.phase.is_final


def _not_yet(operation: str, meant: str, one: WorkflowSnapshot) -> OmicsError:
    return OmicsError(
        f"{operation}: nothing was sent, since {meant} is not ACTIVE yet: {one.label} is {one.status}. Wait for it "
        "with OmicsWorkflowSensor, or let the task be tried again"
    )


UNKNOWN_ID = "0"
"""Id of a workflow that is looked up later, for the checks before."""


def workflow_name_issues(plain: Mapping[str, Any]) -> Iterator[Issue]:
    """Yield what is wrong with the name of a workflow, as far as the arguments beside it tell.

    :param plain: arguments that are no templates, by name.
    """
    name = plain.get("workflow_name")
    if name is None:
        return
    if not isinstance(name, str) or not name.strip():
        yield Issue("workflow_name", f"is {name!r}", "Give the workflow's name, or leave it out")
    for other in ("workflow_id", "run_id"):
        if plain.get(other) is not None:
            yield Issue("workflow_name", f"is given together with {other}", "Give one of them")
    if plain.get("workflow_owner_id") is not None:
        what = "cannot be looked up for a workflow of another account"
        yield Issue("workflow_name", what, "Give workflow_id, which its owner knows")


def with_unknown_id(
    plain: Mapping[str, Any], templated: Collection[str] | None
) -> tuple[Mapping[str, Any], Collection[str] | None]:
    """Return arguments as they would be with the id that is looked up for a name.

    :param plain: arguments that are no templates, by name.
    :param templated: names of those that are; None where not all arguments are known.
    """
    if plain.get("workflow_id") is not None or plain.get("run_id") is not None:
        return plain, templated
    if plain.get("workflow_name") is not None:
        return {**plain, "workflow_id": UNKNOWN_ID}, templated
    if templated is not None and "workflow_name" in templated:
        return {name: value for name, value in plain.items() if name != "workflow_id"}, {*templated, "workflow_id"}
    return plain, templated


def _missing(name: str, named: list[WorkflowSnapshot]) -> Issue:
    if not named:
        fix = "Correct the name, the Region or the connection, or make it with OmicsCreateWorkflowOperator"
        return Issue("workflow_name", f"no workflow is called {name!r}", fix)
    shown = ", ".join(f"{one.workflow_id} is {one.status}" for one in named[:_MOST_SHOWN])
    fix = "Look at its statusMessage, and make it anew"
    return Issue("workflow_name", f"no workflow called {name!r} is ACTIVE: {shown}", fix)


def _ambiguous(name: str, usable: list[WorkflowSnapshot]) -> Issue:
    shown = ", ".join(f"{one.workflow_id} is {one.status}" for one in usable[:_MOST_SHOWN])
    what = f"{len(usable)} workflows are called {name!r} ({shown})"
    return Issue("workflow_name", what, "Give workflow_id, or delete or rename all but one")
