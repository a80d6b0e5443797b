"""Creating workflows and versions, once for one content, against the local server."""

from __future__ import annotations

import io
import runpy
import zipfile
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from examples import example_files
from omics_errors import raises
from task_runs import TaskInstance, TaskRun, run_task

from airflow_provider_omics.exceptions import (
    OmicsRequestInvalidError,
    OmicsServiceError,
    OmicsWaitError,
    OmicsWorkflowFailedError,
)
from airflow_provider_omics.healthomics.requests.shapes import api_name, operation_model
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.local import Assumptions, LocalOmics
from airflow_provider_omics.local.assumptions import RepeatedRequestId
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.operators.workflow import (
    OmicsCreateWorkflowOperator,
    OmicsCreateWorkflowVersionOperator,
    OmicsDeleteWorkflowOperator,
    OmicsDeleteWorkflowVersionOperator,
)
from airflow_provider_omics.sensors.workflow import OmicsWorkflowSensor
from airflow_provider_omics.workflows.snapshot import CONTENT_TAG

MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
CREATIONS = ("CreateWorkflow", "CreateWorkflowVersion")
TOOL = "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: echo\ninputs:\n  text: string\noutputs: {}\n"
ONE_ATTEMPT = {"retries": {"total_max_attempts": 1}}


@pytest.fixture
def assumptions() -> Assumptions:
    return Assumptions()


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any], assumptions: Assumptions) -> dict[str, Any]:
    return {**omics_local_settings, "assumptions": assumptions}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a CWL tool, a README, and what tools leave behind."""
    path = tmp_path / "echo"
    for name, text in {"main.cwl": TOOL, "README.md": "# Echo\n", ".git/HEAD": "x", "__pycache__/a.pyc": "x"}.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def create(definition: Any, **kwargs: Any) -> TaskRun:
    settings = {"name": "echo", "waiter_delay": 0.02, "check_definition": "off", **kwargs}
    return run_task(OmicsCreateWorkflowOperator(task_id="create", definition=definition, **settings))


def version(definition: Any, workflow_id: str | None, **kwargs: Any) -> TaskRun:
    settings = {"workflow_id": workflow_id, "waiter_delay": 0.02, "check_definition": "off", **kwargs}
    return run_task(OmicsCreateWorkflowVersionOperator(task_id="version", definition=definition, **settings))


def change(folder: Path, text: str = "# changed\n") -> None:
    (folder / "main.cwl").write_text(TOOL + text)


def created(server: LocalOmics) -> int:
    """How many workflows and versions the service was made to create."""
    return sum(call.took_effect for operation in CREATIONS for call in server.journal.calls(operation))


@MODES
def test_a_folder_becomes_a_workflow_once(server: LocalOmics, omics: Any, folder: Path, deferrable: bool) -> None:
    first = create(folder, deferrable=deferrable, tags={"team": "qc"}, description="Says it")
    shown = omics.get_workflow(id=first.result)
    assert (shown["name"], shown["status"], shown["main"], shown["engine"]) == ("echo", "ACTIVE", "main.cwl", "CWL")
    assert shown["description"] == "Says it"
    assert shown["tags"]["team"] == "qc"
    assert first.ti.xcoms == {
        "workflow_arn": shown["arn"],
        "workflow_uuid": shown["uuid"],
        "workflow_is_new": True,
    }
    (folder / ".git" / "HEAD").write_text("y")
    again = create(folder, deferrable=deferrable, description="Says it louder")
    assert again.result == first.result
    assert again.ti.xcoms["workflow_is_new"] is False
    assert created(server) == 1


@MODES
def test_new_content_becomes_a_version_and_old_content_none(
    server: LocalOmics, omics: Any, folder: Path, deferrable: bool
) -> None:
    workflow_id = create(folder).result
    first = version(folder, workflow_id, deferrable=deferrable)
    assert first.result.startswith("sha-")
    assert version(folder, None, workflow_name="echo", deferrable=deferrable).result == first.result
    change(folder)
    second = version(folder, workflow_id, deferrable=deferrable)
    assert second.result != first.result
    assert second.ti.xcoms["workflow_id"] == workflow_id
    assert create(folder, on_other_content="keep").result == workflow_id
    assert created(server) == 3
    shown = omics.get_workflow_version(workflowId=workflow_id, versionName=second.result)
    assert (shown["status"], shown["uuid"]) == ("ACTIVE", second.ti.xcoms["workflow_uuid"])


def test_storage_makes_another_version_and_a_readme_does_not(server: LocalOmics, folder: Path) -> None:
    workflow_id = create(folder).result
    names = [
        version(folder, workflow_id, **settings).result
        for settings in ({}, {"readme_markdown": "# Else"}, {"tags": {"a": "b"}}, {"storage_type": "DYNAMIC"})
    ]
    assert [names.index(name) for name in names] == [0, 0, 0, 3]


def test_a_second_workflow_of_the_same_name_is_refused(server: LocalOmics, folder: Path) -> None:
    workflow_id = create(folder).result
    change(folder)
    with raises(OmicsRequestInvalidError, match=f"workflow {workflow_id}.*OmicsCreateWorkflowVersionOperator") as error:
        create(folder)
    assert isinstance(error.value, AirflowFailException)
    assert created(server) == 1


def test_a_version_name_stands_for_one_content(server: LocalOmics, folder: Path) -> None:
    workflow_id = create(folder).result
    assert version(folder, workflow_id, version_name="1.0").result == "1.0"
    assert version(folder, workflow_id, version_name="1.0").result == "1.0"
    change(folder)
    with raises(OmicsRequestInvalidError, match="was made of other content"):
        version(folder, workflow_id, version_name="1.0")
    assert created(server) == 2


@pytest.mark.parametrize("kind", [FaultKind.LOST_ANSWER, FaultKind.ERROR_AFTER])
@pytest.mark.parametrize("reading", RepeatedRequestId)
@MODES
def test_a_crash_between_call_and_answer_makes_no_second_one(
    server: LocalOmics, omics: Any, folder: Path, kind: FaultKind, reading: RepeatedRequestId, deferrable: bool
) -> None:
    server.account("us-east-1").assumptions = Assumptions(repeated_request_id=reading)
    for operation in CREATIONS:
        server.faults.add(FaultRule(kind=kind, operation=operation))
    workflow_id = create(folder, deferrable=deferrable).result
    name = version(folder, workflow_id, deferrable=deferrable).result
    assert created(server) == 2
    assert [one["id"] for one in omics.list_workflows(name="echo")["items"]] == [workflow_id]
    assert [one["versionName"] for one in omics.list_workflow_versions(workflowId=workflow_id)["items"]] == [name]


@pytest.mark.parametrize("operation", CREATIONS)
def test_a_worker_that_died_after_the_call_has_made_the_one_that_the_next_try_finds(
    server: LocalOmics, folder: Path, operation: str
) -> None:
    def task() -> Any:
        workflow_id = create(folder, botocore_config=ONE_ATTEMPT).result
        return version(folder, workflow_id, botocore_config=ONE_ATTEMPT).result

    class Killed(BaseException):
        pass

    died = False

    def die(_facts: Any) -> None:
        nonlocal died
        died = True

    server.faults.add(FaultRule(kind=FaultKind.LOST_ANSWER, operation=operation, act=die))
    # The look after the lost answer fails too, as it does in a worker that is not there any more.
    reads = ("ListWorkflows", "GetWorkflow", "GetWorkflowVersion")
    for read in reads:
        server.faults.add(
            FaultRule(kind=FaultKind.DROPPED_CONNECTION, operation=read, count=None, matches=lambda _: died)
        )
    with raises(OmicsServiceError):
        task()
    assert died
    server.faults.clear()
    task()
    assert created(server) == 2


@pytest.mark.parametrize("reading", [RepeatedRequestId.FIRST_ANSWER, RepeatedRequestId.CONFLICT])
@pytest.mark.parametrize("operation", CREATIONS)
def test_two_tasks_at_the_same_moment_get_the_same_one(
    server: LocalOmics, folder: Path, operation: str, reading: RepeatedRequestId
) -> None:
    server.account("us-east-1").assumptions = Assumptions(repeated_request_id=reading)
    workflow_id = create(folder).result if operation == "CreateWorkflowVersion" else None
    before = created(server)

    def task() -> Any:
        if workflow_id is None:
            return create(folder, botocore_config=ONE_ATTEMPT).result
        return version(folder, workflow_id, botocore_config=ONE_ATTEMPT).result

    others: list[Any] = []
    # The other one has looked, found nothing and called before this one's call takes effect.
    server.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation=operation, act=lambda _: others.append(task())))
    assert [task()] == others
    assert created(server) == before + 1


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("reading", RepeatedRequestId)
def test_what_was_deleted_is_made_anew(
    server: LocalOmics, omics: Any, folder: Path, reading: RepeatedRequestId
) -> None:
    server.account("us-east-1").assumptions = Assumptions(
        repeated_request_id=reading, repeated_request_id_other_payload=reading
    )
    first = create(folder, botocore_config=ONE_ATTEMPT).result
    old = version(folder, first, botocore_config=ONE_ATTEMPT)
    run_task(OmicsDeleteWorkflowVersionOperator(task_id="delete", workflow_id=first, version_name=old.result))
    new = version(folder, first, botocore_config=ONE_ATTEMPT)
    assert new.result == old.result
    assert new.ti.xcoms["workflow_uuid"] != old.ti.xcoms["workflow_uuid"]
    assert run_task(OmicsDeleteWorkflowOperator(task_id="delete", workflow_id=first)).result == first
    second = create(folder, botocore_config=ONE_ATTEMPT).result
    assert second != first
    assert omics.get_workflow(id=second)["status"] == "ACTIVE"


@MODES
@pytest.mark.parametrize("kind", ["workflow", "version"])
def test_a_failed_one_says_why_where_and_what_to_do(
    server: LocalOmics, folder: Path, kind: str, deferrable: bool
) -> None:
    workflow_id = create(folder).result if kind == "version" else None
    (folder / "main.cwl").write_text(TOOL.replace("cwlVersion: v1.2\n", ""))

    def task() -> Any:
        if workflow_id is None:
            return create(folder, deferrable=deferrable, engine="CWL", parameter_template={"text": {}})
        return version(folder, workflow_id, deferrable=deferrable, engine="CWL", parameter_template={"text": {}})

    with raises(OmicsWorkflowFailedError, match="(?s)No cwlVersion.*Where: main.cwl:1.*delete it first") as failed:
        task()
    assert isinstance(failed.value, AirflowFailException)
    before = created(server)
    with raises(OmicsWorkflowFailedError, match="made of the same content before"):
        task()
    assert created(server) == before
    (folder / "main.cwl").write_text(TOOL)
    if workflow_id is None:
        assert create(folder, deferrable=deferrable).ti.xcoms["workflow_is_new"] is True


@pytest.mark.usefixtures("impatience")
def test_an_inactive_one_is_in_the_way_until_it_is_deleted(server: LocalOmics, omics: Any, folder: Path) -> None:
    workflow_id = create(folder).result
    server.account("us-east-1").workflows[workflow_id].status = "INACTIVE"
    with raises(OmicsWorkflowFailedError, match=f"(?s)delete it first .aws omics delete-workflow --id {workflow_id}"):
        create(folder)
    omics.delete_workflow(id=workflow_id)
    assert create(folder).ti.xcoms["workflow_is_new"] is True


@pytest.mark.usefixtures("impatience")
def test_a_failed_one_without_tags_is_in_the_way_until_it_is_deleted(
    server: LocalOmics, omics: Any, folder: Path
) -> None:
    (folder / "main.cwl").write_text(TOOL.replace("cwlVersion: v1.2\n", ""))
    with raises(OmicsWorkflowFailedError) as failed:
        create(folder, engine="CWL", identity_tags=False)
    (folder / "main.cwl").write_text(TOOL)
    with raises(OmicsWorkflowFailedError, match="(?s)which has the name already.*Without identity_tags.*delete it"):
        create(folder, engine="CWL", identity_tags=False)
    omics.delete_workflow(id=failed.value.workflow_id)
    again = create(folder, engine="CWL", identity_tags=False, botocore_config=ONE_ATTEMPT)
    assert again.ti.xcoms["workflow_is_new"] is True


def test_a_lost_connection_while_waiting_goes_by(server: LocalOmics, folder: Path) -> None:
    server.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation="GetWorkflow", count=2))
    assert create(folder).ti.xcoms["workflow_is_new"] is True


@pytest.mark.parametrize("packed", ["folder", "zip", "s3", "file"])
def test_the_same_files_are_the_same_content_however_they_come(
    server: LocalOmics, folder: Path, tmp_path: Path, packed: str
) -> None:
    (folder / "README.md").unlink()
    workflow_id = create(folder).result
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as written:
        written.write(folder / "main.cwl", "main.cwl")
    (tmp_path / "echo.zip").write_bytes(archive.getvalue())
    s3 = server.client("s3")
    s3.create_bucket(Bucket="definitions")
    s3.put_object(Bucket="definitions", Key="echo.zip", Body=archive.getvalue())
    places = {
        "folder": folder,
        "zip": str(tmp_path / "echo.zip"),
        "s3": "s3://definitions/echo.zip",
        "file": folder / "main.cwl",
    }
    assert create(places[packed]).result == workflow_id
    assert version(places[packed], workflow_id).ti.xcoms["workflow_is_new"] is True


def test_an_archive_in_s3_is_not_sent_along(server: LocalOmics, omics: Any, folder: Path) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="definitions")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("main.cwl", TOOL)
    s3.put_object(Bucket="definitions", Key="echo.zip", Body=archive.getvalue())
    sent: list[dict[str, Any]] = []
    server.faults.add(
        FaultRule(
            kind=FaultKind.THROTTLE, operation="CreateWorkflow", matches=lambda facts: sent.append(dict(facts.members))
        )
    )
    workflow_id = create("s3://definitions/echo.zip").result
    assert sent[0]["definitionUri"] == "s3://definitions/echo.zip"
    assert "definitionZip" not in sent[0]
    assert omics.get_workflow(id=workflow_id)["status"] == "ACTIVE"


def test_a_repository_is_named_as_it_is(server: LocalOmics, folder: Path) -> None:
    repository = {
        "connectionArn": "arn:aws:codeconnections:us-east-1:123456789012:connection/a",
        "fullRepositoryId": "group/echo",
        "sourceReference": {"type": "COMMIT", "value": "f00"},
    }
    sent: list[dict[str, Any]] = []
    server.faults.add(
        FaultRule(
            kind=FaultKind.THROTTLE,
            operation="CreateWorkflowVersion",
            matches=lambda facts: sent.append(dict(facts.members)),
        )
    )
    with raises(OmicsServiceError, match="cannot fetch a definitionRepository"):
        version(None, create(folder).result, definition_repository=repository)
    assert sent[0]["definitionRepository"] == repository
    assert sent[0]["versionName"].startswith("sha-")
    repository["sourceReference"] = {"type": "BRANCH", "value": "main"}
    with raises(OmicsRequestInvalidError, match="no name can be made of it.*type COMMIT"):
        version(None, "1234567", definition_repository=repository)


EVERY: dict[str, Any] = {
    "description": "Says it",
    "engine": "CWL",
    "main": "main.cwl",
    "parameter_template": {"text": {"description": "What to say"}},
    "storage_type": "STATIC",
    "storage_capacity": "2400",
    "accelerators": "GPU",
    "container_registry_map": {"imageMappings": [{"sourceImage": "a", "destinationImage": "b"}]},
    "readme_markdown": "# Echo",
    "workflow_bucket_owner_id": "123456789012",
    "tags": {"team": "qc"},
    "request_id": "mine",
}
EITHER: dict[str, Any] = {
    "parameter_template_path": "template.json",
    "container_registry_map_uri": "s3://definitions/map.json",
    "readme_path": "README.md",
    "readme_uri": "s3://definitions/README.md",
    "definition_repository": {},
}


@pytest.mark.parametrize("operation", CREATIONS)
def test_every_member_of_the_api_reaches_the_service(server: LocalOmics, folder: Path, operation: str) -> None:
    (folder / "template.json").write_text('{"text": {}}')
    workflow_id = create(folder).result
    own = {"name": "all"} if operation == "CreateWorkflow" else {"version_name": "1.0"}
    sent: list[dict[str, Any]] = []
    server.faults.add(
        FaultRule(
            kind=FaultKind.ERROR_BEFORE,
            operation=operation,
            count=None,
            code="AccessDeniedException",
            http_status=403,
            matches=lambda facts: sent.append(dict(facts.members)) or True,  # type: ignore[func-returns-value]
        )
    )
    for settings in (
        EVERY,
        {"parameter_template_path": "template.json", "readme_path": "README.md"},
        {"container_registry_map_uri": "s3://definitions/map.json", "readme_uri": "s3://definitions/README.md"},
    ):
        with raises(OmicsServiceError, match=f"omics:{operation}"):
            if operation == "CreateWorkflow":
                create(folder, **{**settings, **own})
            else:
                version(folder, workflow_id, **{**settings, **own})
    for name in (*EVERY, *EITHER, *own):
        if name != "definition_repository":
            wanted = {**EVERY, **EITHER, **own, "storage_capacity": 2400}[name]
            found = next(members[api_name(name)] for members in sent if api_name(name) in members)
            assert found == ({**wanted, CONTENT_TAG: found[CONTENT_TAG]} if name == "tags" else wanted), name
    shape: Any = operation_model(operation).input_shape
    named = {api_name(name) for name in (*EVERY, *EITHER, *own)}
    assert set(shape.members) - {"workflowId"} == named | {"definitionZip", "definitionUri"}


def test_members_of_a_later_release_are_sent_by_their_api_names(omics: Any, folder: Path, server: LocalOmics) -> None:
    workflow_id = create(folder, create_workflow_kwargs={"accelerators": "GPU"}).result
    assert omics.get_workflow(id=workflow_id)["accelerators"] == "GPU"
    name = version(folder, workflow_id, create_workflow_version_kwargs='{"accelerators": "GPU"}').result
    assert omics.get_workflow_version(workflowId=workflow_id, versionName=name)["accelerators"] == "GPU"


@pytest.mark.parametrize("member", ["definitionUri", "definitionZip"])
def test_a_definition_among_those_members_is_refused(server: LocalOmics, folder: Path, member: str) -> None:
    more = {member: "s3://definitions/v1.zip"}
    with raises(OmicsRequestInvalidError, match=f"create_workflow_kwargs.{member}: cannot be given there.*definition"):
        create(None, create_workflow_kwargs=more)
    with raises(OmicsRequestInvalidError, match=f"create_workflow_version_kwargs.{member}: cannot be given there"):
        version(folder, "1", create_workflow_version_kwargs=more)
    assert created(server) == 0


def test_the_example_prunes_neither_what_was_used_nor_for_what_has_failed(server: LocalOmics, folder: Path) -> None:
    workflow_id = create(folder).result
    for name in ("v1", "v2", "v3", "v4"):
        change(folder, f"# {name}\n")
        version(folder, workflow_id, version_name=name)
    versions = server.account("us-east-1").workflows[workflow_id].versions
    versions["v3"].status = "FAILED"
    (example,) = (path for path in example_files() if path.stem == "example_omics_workflow_lifecycle")
    outdated = runpy.run_path(str(example))["dag"].get_task("outdated").python_callable
    for used, keep, names in (
        ("v4", 1, ["v1", "v2", "v3"]),
        ("v1", 1, ["v2", "v3", "v4"]),
        ("v1", 2, ["v2", "v3"]),
        ("v4", 2, ["v1", "v3"]),
        ("v4", 9, ["v3"]),
    ):
        assert outdated(workflow_id, used, str(keep)) == names
    versions["v3"].status = "CREATING"
    assert outdated(workflow_id, "v4", "1.0") == ["v1", "v2"]


def test_the_hook_finds_and_lists_them(server: LocalOmics, folder: Path) -> None:
    workflow_id = create(folder).result
    names = [version(folder, workflow_id, version_name=name).result for name in ("b", "a")]
    hook = OmicsHook()
    assert [one.version_name for one in hook.list_workflow_versions(workflow_id)] == names
    assert [one.workflow_id for one in hook.list_workflows("echo")] == [workflow_id]
    found = hook.find_workflow(workflow_id, "a")
    assert found is not None
    assert (found.label, found.status) == (f"version a of workflow {workflow_id}", "ACTIVE")
    assert hook.find_workflow(workflow_id, "c") is None
    assert hook.delete_workflow(workflow_id) is True
    assert hook.find_workflow(workflow_id) is None


@MODES
def test_the_sensor_waits_for_workflow_and_version(omics: Any, folder: Path, deferrable: bool) -> None:
    workflow_id = create(folder, wait_for_completion=False).result
    name = version(folder, workflow_id, wait_for_completion=False).result
    for version_name, shown in (
        (None, omics.get_workflow(id=workflow_id)),
        (name, omics.get_workflow_version(workflowId=workflow_id, versionName=name)),
    ):
        sensor = OmicsWorkflowSensor(
            task_id="wait",
            workflow_id=workflow_id,
            version_name=version_name,
            deferrable=deferrable,
            poke_interval=0.02,
        )
        assert run_task(sensor).result == {
            "workflow_id": workflow_id,
            "version_name": version_name,
            "workflow_arn": shown["arn"],
            "workflow_uuid": shown["uuid"],
        }


@MODES
def test_the_sensor_fails_at_once_for_what_cannot_be_used(server: LocalOmics, folder: Path, deferrable: bool) -> None:
    (folder / "main.cwl").write_text("class: Workflow\n")
    with raises(OmicsWorkflowFailedError) as failed:
        create(folder, engine="CWL")
    sensor = OmicsWorkflowSensor(
        task_id="wait", workflow_id=failed.value.workflow_id, deferrable=deferrable, poke_interval=0.02
    )
    with raises(OmicsWorkflowFailedError, match="No cwlVersion found") as failed:
        run_task(sensor)
    assert "made of the same content" not in str(failed.value)
    assert "What to do: have another one made by whoever made this one" in str(failed.value)


def test_the_sensor_of_a_workflow_that_is_not_there_fails(server: LocalOmics) -> None:
    with raises(OmicsWaitError, match="9999999"):
        run_task(OmicsWorkflowSensor(task_id="wait", workflow_id="9999999", poke_interval=0.02))


def test_deleting_twice_is_no_error(omics: Any, folder: Path) -> None:
    workflow_id = create(folder).result
    name = version(folder, workflow_id).result
    for _ in range(2):
        gone = OmicsDeleteWorkflowVersionOperator(task_id="delete", workflow_id=workflow_id, version_name=name)
        assert run_task(gone).result == name
    assert omics.list_workflow_versions(workflowId=workflow_id)["items"] == []
    for _ in range(2):
        assert run_task(OmicsDeleteWorkflowOperator(task_id="delete", workflow_id=workflow_id)).result == workflow_id
    assert omics.list_workflows()["items"] == []


def test_a_trigger_that_failed_is_no_loss(folder: Path, server: LocalOmics) -> None:
    made = create(folder, wait_for_completion=False).result
    operator = OmicsCreateWorkflowOperator(
        task_id="create", name="echo", definition=folder, waiter_delay=0.02, check_definition="off"
    )
    context: Any = {"ti": TaskInstance(task_id="create"), "params": {}}
    assert operator.resume_execution("__fail__", {"error": "Trigger failure"}, context) == made
    assert created(server) == 1
