"""Making workflows and versions while the service is behind, repeats its answers, or refuses to show what it made."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from omics_errors import raises

from airflow_provider_omics.exceptions import OmicsError, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.shapes import api_name
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.local import Assumptions, LocalOmics
from airflow_provider_omics.local.assumptions import RepeatedRequestId
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.workflows.bundle import read_bundle
from airflow_provider_omics.workflows.creation import WorkflowCreator
from airflow_provider_omics.workflows.creation_request import Source, build_creation, named_version

CREATIONS = ("CreateWorkflow", "CreateWorkflowVersion")
TOOL = "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: echo\ninputs:\n  text: string\noutputs: {}\n"
NOT_FOUND = {"kind": FaultKind.ERROR_BEFORE, "code": "ResourceNotFoundException", "http_status": 404, "count": None}


@dataclass
class Pauses:
    """Time that goes on only while a creator pauses."""

    seconds: float = 0.0

    def pause(self, seconds: float) -> bool:
        self.seconds += seconds
        return False


@dataclass
class Lab:
    """Makes workflows and versions with pauses that take no time."""

    server: LocalOmics
    folder: Path
    pauses: Pauses
    workflow_id: str = ""

    def creator(self, operation: str, text: str = TOOL, **fields: Any) -> WorkflowCreator:
        (self.folder / "main.cwl").write_text(text)
        own = {"name": "echo"} if operation == "CreateWorkflow" else {"workflow_id": self.workflow_id}
        given = {api_name(name): value for name, value in {"engine": "CWL", **own, **fields}.items()}
        creation = build_creation(operation, given, {}, Source(bundle=read_bundle(self.folder)), level="off")
        creation = creation if operation == "CreateWorkflow" else named_version(creation)
        hook = OmicsHook(config={"retries": {"total_max_attempts": 1}})
        return WorkflowCreator(hook, creation, True, logging.getLogger(__name__), self.pauses.pause)

    def is_behind(self, operation: str, seconds: float) -> None:
        """Let what was made be not found for so many seconds of pauses."""
        read = operation.replace("Create", "Get")
        self.server.faults.add(
            FaultRule(operation=read, matches=lambda _: self.pauses.seconds < seconds, **NOT_FOUND)  # type: ignore[arg-type]
        )

    def created(self, operation: str) -> int:
        return sum(call.took_effect for call in self.server.journal.calls(operation))


@pytest.fixture
def lab(omics_local: LocalOmics, tmp_path: Path) -> Lab:
    """Airflow's connection leads to the server of the shared fixtures, which has one workflow."""
    folder = tmp_path / "echo"
    folder.mkdir()
    found = Lab(omics_local, folder, Pauses())
    workflow = found.creator("CreateWorkflow", name="other").get_or_create().workflow
    found.workflow_id = workflow.workflow_id
    return found


@pytest.mark.parametrize("operation", CREATIONS)
@pytest.mark.parametrize("seconds", [10, 59])
def test_what_the_service_does_not_show_yet_is_not_made_again(lab: Lab, operation: str, seconds: float) -> None:
    before = lab.created(operation)
    lab.is_behind(operation, seconds)
    made = lab.creator(operation).get_or_create()
    assert lab.created(operation) == before + 1
    assert made.is_new
    assert made.workflow.workflow_id in lab.server.account("us-east-1").workflows


@pytest.mark.parametrize("operation", CREATIONS)
def test_a_later_try_looks_again_for_what_it_may_have_made(lab: Lab, operation: str) -> None:
    state = lab.server.account("us-east-1")
    state.assumptions = Assumptions(repeated_request_id=RepeatedRequestId.FORGOTTEN)
    made, before = lab.creator(operation).get_or_create().workflow, lab.created(operation)
    kept: dict[str, Any] = state.workflows
    if operation == "CreateWorkflowVersion":
        kept = state.workflows[lab.workflow_id].versions
    key = made.version_name or made.workflow_id
    hidden = {key: kept.pop(key)}

    def show(_: float) -> bool:
        kept.update(hidden)
        return False

    again = replace(lab.creator(operation), pause=show, is_retry=True).get_or_create()
    assert (again.workflow.arn, again.is_new) == (made.arn, False)
    assert lab.created(operation) == before


def test_a_workflow_that_is_listed_and_not_shown_yet_is_waited_for(lab: Lab) -> None:
    lab.server.account("us-east-1").assumptions = Assumptions(repeated_request_id=RepeatedRequestId.FORGOTTEN)
    made = lab.creator("CreateWorkflow").get_or_create().workflow
    lab.is_behind("CreateWorkflow", lab.pauses.seconds + 10)
    again = lab.creator("CreateWorkflow").get_or_create()
    assert (again.workflow.workflow_id, again.is_new) == (made.workflow_id, False)


def test_a_task_killed_while_it_waits_for_what_is_listed_makes_none(lab: Lab) -> None:
    lab.creator("CreateWorkflow").get_or_create()
    lab.is_behind("CreateWorkflow", 10)
    before = lab.created("CreateWorkflow")
    with raises(OmicsError, match="The task was killed before it made workflow 'echo'; nothing was sent"):
        replace(lab.creator("CreateWorkflow"), pause=lambda _: True).get_or_create()
    assert lab.created("CreateWorkflow") == before


def test_all_looks_of_a_later_try_share_a_minute(lab: Lab) -> None:
    lab.server.account("us-east-1").assumptions = Assumptions(repeated_request_id=RepeatedRequestId.FORGOTTEN)
    first = lab.creator("CreateWorkflow").get_or_create().workflow.workflow_id
    lab.server.faults.add(
        FaultRule(operation="GetWorkflow", matches=lambda facts: facts.members["id"] == first, **NOT_FOUND)  # type: ignore[arg-type]
    )
    before = lab.pauses.seconds
    again = replace(lab.creator("CreateWorkflow"), is_retry=True).get_or_create()
    assert (again.workflow.workflow_id != first, again.is_new) == (True, True)
    assert lab.pauses.seconds - before == 60


@pytest.mark.parametrize("operation", CREATIONS)
@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (None, None),
        ({"code": "AccessDeniedException", "http_status": 403}, "carries no tag with its content"),
        ({"code": "ThrottlingException", "http_status": 429}, "ThrottlingException"),
        ({"code": "InternalServerException", "http_status": 500}, "InternalServerException"),
    ],
    ids=["shown", "denied", "throttled", "broken"],
)
def test_tags_that_an_answer_leaves_out_are_asked_for(
    lab: Lab, operation: str, refusal: dict[str, Any] | None, message: str | None
) -> None:
    fields = {"version_name": "one"} if operation == "CreateWorkflowVersion" else {}
    made = lab.creator(operation, **fields).get_or_create().workflow
    again = lab.creator(operation, **fields)
    events = again.service.conn.meta.events  # type: ignore[attr-defined]
    get = operation.replace("Create", "Get")
    events.register(f"after-call.omics.{get}", lambda parsed, **_: [parsed.pop("tags", None), None][1])
    if refusal is not None:
        rule = FaultRule(kind=FaultKind.ERROR_BEFORE, operation="ListTagsForResource", **refusal)
        lab.server.faults.add(rule)
        with raises(OmicsError, match=message) as caught:
            again.get_or_create()
        # A request that can never work is not tried again; what may pass by itself is.
        assert isinstance(caught.value, OmicsRequestInvalidError) is (refusal["http_status"] == 403)
        if refusal["http_status"] == 403:
            return
    found = again.get_or_create()
    assert (found.workflow.arn, found.is_new) == (made.arn, False)


@pytest.mark.parametrize("operation", CREATIONS)
def test_a_conflict_is_looked_behind_for_a_minute(lab: Lab, operation: str) -> None:
    reading = RepeatedRequestId.CONFLICT
    lab.server.account("us-east-1").assumptions = Assumptions(repeated_request_id=reading)
    made = lab.creator(operation).get_or_create().workflow
    before = lab.created(operation)
    lab.is_behind(operation, 50)
    found = lab.creator(operation).get_or_create().workflow
    assert (found.workflow_id, found.version_name) == (made.workflow_id, made.version_name)
    assert lab.created(operation) == before


@pytest.mark.parametrize("operation", CREATIONS)
@pytest.mark.parametrize(
    ("code", "status"), [("AccessDeniedException", 403), ("ThrottlingException", 429)], ids=["denied", "throttled"]
)
def test_what_was_made_and_cannot_be_looked_at_is_what_was_made(
    lab: Lab, operation: str, code: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    before = lab.created(operation)
    read, kind = operation.replace("Create", "Get"), FaultKind.ERROR_BEFORE
    lab.server.faults.add(
        FaultRule(
            kind=kind,
            operation=read,
            code=code,
            http_status=status,
            count=None,
            matches=lambda _: lab.created(operation) > before,
        )
    )
    assert lab.creator(operation).get_or_create().is_new
    assert lab.created(operation) == before + 1
    assert code in caplog.text


def test_one_that_is_shown_as_deleted_is_made_anew_at_once(lab: Lab) -> None:
    workflows = lab.server.account("us-east-1").workflows
    first = lab.creator("CreateWorkflow").get_or_create().workflow
    workflows[first.workflow_id].status = "DELETED"
    second = lab.creator("CreateWorkflow").get_or_create().workflow
    assert second.workflow_id != first.workflow_id
    assert lab.pauses.seconds == 0


def test_one_that_is_gone_is_never_what_was_made(lab: Lab) -> None:
    first = lab.creator("CreateWorkflow", request_id="mine").get_or_create().workflow
    OmicsHook().delete_workflow(first.workflow_id)
    with raises(OmicsError, match="that one is gone. Give another request_id, or leave it out"):
        lab.creator("CreateWorkflow", request_id="mine").get_or_create()
    assert lab.creator("CreateWorkflow").get_or_create().workflow.workflow_id != first.workflow_id


def test_a_version_that_somebody_else_makes_meanwhile_is_told(lab: Lab) -> None:
    other = lab.creator("CreateWorkflowVersion", version_name="1.0")
    lab.server.faults.add(
        FaultRule(kind=FaultKind.THROTTLE, operation="CreateWorkflowVersion", act=lambda _: other.get_or_create())
    )
    with raises(OmicsRequestInvalidError, match="version_name: is taken.*was made of other content"):
        lab.creator("CreateWorkflowVersion", TOOL + "# else\n", version_name="1.0").get_or_create()


@pytest.mark.parametrize("operation", CREATIONS)
def test_one_that_fails_before_its_lost_answer_is_looked_for_is_found(lab: Lab, operation: str) -> None:
    before = lab.created(operation)
    creator = lab.creator(operation, TOOL.replace("cwlVersion: v1.2\n", ""))

    def fails(_: Any) -> None:
        hook = OmicsHook()
        is_version = operation == "CreateWorkflowVersion"
        while True:
            made = hook.list_workflow_versions(lab.workflow_id) if is_version else hook.list_workflows("echo")
            if any(one.status == "FAILED" for one in made):
                return
            time.sleep(0.01)

    lab.server.faults.add(FaultRule(kind=FaultKind.LOST_ANSWER, operation=operation, act=fails))
    made = creator.get_or_create()
    assert (made.workflow.status, made.is_new) == ("FAILED", True)
    assert lab.created(operation) == before + 1
