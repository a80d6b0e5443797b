"""Finds workflows: the account's own, those that others share with it, and the built-in Ready2Run ones."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.local.errors import ResourceNotFoundException
from airflow_provider_omics.local.records import Workflow

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState

PRIVATE = "PRIVATE"
READY2RUN = "READY2RUN"


@dataclass(frozen=True)
class _Ready2Run:
    name: str
    engine: str
    parameters: tuple[str, ...] = field(default=())


# Ids and names are the public ones; where parameters are not public, none are checked.
_READY2RUN = {
    "9500764": _Ready2Run("GATK-BP Germline fq2vcf for 30x genome", "WDL", ("sample_name", "fastq_pairs")),
    "1830181": _Ready2Run("ESMFold for up to 800 residues", "NEXTFLOW", ("fasta_path",)),
    "1617262": _Ready2Run("Ultima Genomics DeepVariant for up to 40x", "WDL"),
}


def find_workflow(
    state: AccountState,
    workflow_id: str,
    *,
    workflow_type: str | None = None,
    owner_id: str | None = None,
    version_name: str | None = None,
) -> Workflow:
    """Return the workflow, or the version of it, that a request means.

    :param workflow_id: digits.
    :param workflow_type: PRIVATE (as None) or READY2RUN; a Ready2Run workflow is found only by its type.
    :param owner_id: account of 12 digits that shares the workflow; None or the own account for an own one.
    :param version_name: None for the workflow itself, which is always the default.
    :raises ResourceNotFoundException: there is no such workflow of this type and owner, or no such version.
    """
    if workflow_type == READY2RUN:
        workflow = _ready2run_workflow(state, workflow_id)
    else:
        workflow = state.workflows.get(workflow_id)
    if workflow is None or not _is_owned_by(state, workflow, owner_id):
        raise ResourceNotFoundException(f"Workflow {workflow_id} not found")
    if version_name is None:
        return workflow
    if version_name not in workflow.versions:
        raise ResourceNotFoundException(f"Workflow {workflow_id} has no version {version_name}")
    return workflow.versions[version_name]


def ready2run_workflows(state: AccountState) -> list[Workflow]:
    """Return the built-in Ready2Run workflows of the account's region."""
    return [_built_in(state, workflow_id, entry) for workflow_id, entry in _READY2RUN.items()]


def share_workflow(
    state: AccountState, workflow_id: str, owner_id: str, *, name: str | None = None, **details: Any
) -> Workflow:
    """Store a workflow that another account owns and shares with this one.

    The share operations are not part of this server, so this is how a test gets a workflow to use with
    ``workflowOwnerId``. The workflow is ACTIVE at once; without ``workflowOwnerId`` it is not found.

    :param workflow_id: digits; must be new.
    :param owner_id: account of the owner, 12 digits.
    :param details: other fields of :class:`~airflow_provider_omics.local.records.Workflow`, such as
        ``definition_zip``, ``main`` and ``engine`` (``CWL`` if not given).
    """
    if workflow_id in state.workflows:
        raise ValueError(f"workflow {workflow_id} exists already; give another id")
    workflow = Workflow(
        workflow_id=workflow_id,
        uuid=state.new_uuid(),
        arn=f"arn:aws:omics:{state.region}:{owner_id}:workflow/{workflow_id}",
        name=name,
        status="ACTIVE",
        workflow_type=PRIVATE,
        engine=details.pop("engine", "CWL"),
        creation_time=state.now(),
        owner_id=owner_id,
        **details,
    )
    state.workflows[workflow_id] = workflow
    return workflow


def is_shared(state: AccountState, workflow: Workflow) -> bool:
    """Whether another account owns the workflow."""
    return workflow.owner_id not in (None, state.account)


def _is_owned_by(state: AccountState, workflow: Workflow, owner_id: str | None) -> bool:
    return (workflow.owner_id or state.account) == (owner_id or state.account)


def _ready2run_workflow(state: AccountState, workflow_id: str) -> Workflow | None:
    entry = _READY2RUN.get(workflow_id)
    return None if entry is None else _built_in(state, workflow_id, entry)


def _built_in(state: AccountState, workflow_id: str, entry: _Ready2Run) -> Workflow:
    arn = f"arn:aws:omics:{state.region}::workflow/{workflow_id}"
    return Workflow(
        workflow_id=workflow_id,
        uuid=str(uuid.uuid5(uuid.NAMESPACE_URL, arn)),
        arn=arn,
        name=entry.name,
        status="ACTIVE",
        workflow_type=READY2RUN,
        engine=entry.engine,
        creation_time=datetime(2023, 5, 9, tzinfo=UTC),
        parameter_template={name: {"optional": False} for name in entry.parameters},
    )
