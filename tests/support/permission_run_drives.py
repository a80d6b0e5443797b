"""Drives of what is about single runs, workflows and resources of the account."""

from __future__ import annotations

import time
from typing import Any

from holding import HELD_RUN
from omics_service import ROLE, cwl_without_inputs, make_configuration
from permission_drives import (
    BUCKET,
    GIVES_UP,
    OUT,
    QUICK,
    PermissionLab,
    crash,
    drive,
    fire_all,
    fired,
    parameters_file,
    second_try,
    sensor,
    task,
)
from task_runs import TaskInstance, run_task

from airflow_provider_omics.exceptions import OmicsRunFailedError, OmicsServiceError, OmicsWaitError
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.operators.account import (
    OmicsCreateConfigurationOperator,
    OmicsCreateRunCacheOperator,
    OmicsCreateRunGroupOperator,
    OmicsDeleteConfigurationOperator,
    OmicsDeleteRunCacheOperator,
    OmicsDeleteRunGroupOperator,
)
from airflow_provider_omics.operators.analysis import OmicsAnalyzeRunsOperator
from airflow_provider_omics.operators.preflight import OmicsPreflightOperator
from airflow_provider_omics.operators.prune import OmicsPruneRunsOperator
from airflow_provider_omics.operators.run import OmicsCancelRunOperator, OmicsDeleteRunOperator, OmicsStartRunOperator
from airflow_provider_omics.operators.workflow import (
    OmicsCreateWorkflowOperator,
    OmicsCreateWorkflowVersionOperator,
    OmicsDeleteWorkflowOperator,
    OmicsDeleteWorkflowVersionOperator,
)
from airflow_provider_omics.sensors.configuration import OmicsConfigurationSensor
from airflow_provider_omics.sensors.run import OmicsRunSensor
from airflow_provider_omics.sensors.workflow import OmicsWorkflowSensor
from airflow_provider_omics.triggers.configuration import OmicsConfigurationTrigger
from airflow_provider_omics.triggers.run import OmicsRunTrigger
from airflow_provider_omics.triggers.workflow import OmicsWorkflowTrigger

START = "OmicsStartRunOperator"
BARE = "StartRun iam:PassRole"
WAITED = f"{BARE} TagResource GetRun"
FAILURE = "ListRunTasks GetRunTask logs:GetLogEvents"
FAILED = {"tags": {"omics-local:outcome": "RUN_TASK_FAILED"}}
SUBMIT = {"identity_tags": False, "wait_for_completion": False}
ENGINE = {"engine": "CWL", "check_definition": "off"}


def start(lab: PermissionLab, **arguments: Any) -> Any:
    given = {"role_arn": ROLE, "output_uri": OUT, **QUICK, **arguments}
    if not given.keys() & {"workflow_name", "run_id"}:
        given["workflow_id"] = lab.workflow_id
    return task(OmicsStartRunOperator, **given)


@drive(START, "waits", WAITED, "identity_tags, wait_for_completion", waits=True)
def _(lab: PermissionLab, _prepared: Any, deferrable: bool) -> None:
    assert start(lab, deferrable=deferrable)


@drive(START, "submits", BARE)
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    assert start(lab, **SUBMIT)


@drive(START, "tagged", f"{BARE} TagResource", "tags")
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    assert start(lab, **SUBMIT, tags={"project": "atlas"})


@drive(
    START,
    "failing",
    f"{WAITED} {FAILURE}",
    "identity_tags, wait_for_completion, tags, failure details",
    ends=OmicsRunFailedError,
    waits=True,
)
def _(lab: PermissionLab, _prepared: Any, deferrable: bool) -> None:
    start(lab, deferrable=deferrable, **FAILED)


def _crashed(lab: PermissionLab) -> None:
    given = {"workflow_id": lab.workflow_id, "role_arn": ROLE, "output_uri": OUT, "identity_tags": False}
    crash(OmicsStartRunOperator, **given, **QUICK)


@drive(START, "second-try", "ListRuns GetRun", "durable, wait_for_completion", prepare=_crashed, waits=True)
def _(lab: PermissionLab, _prepared: Any, deferrable: bool) -> None:
    assert start(lab, ti=second_try(), identity_tags=False, deferrable=deferrable)


@drive(START, "gives-up", f"{WAITED} CancelRun", "identity_tags, tags, wait_for_completion, cancel_on_kill",
       prepare=lambda lab: lab.held, ends=OmicsWaitError, waits=True)  # fmt: skip
def _(lab: PermissionLab, _prepared: Any, deferrable: bool) -> None:
    start(lab, deferrable=deferrable, tags=HELD_RUN, **GIVES_UP)


@drive(START, "named", f"{BARE} ListWorkflows ListWorkflowVersions", "workflow_name", prepare=PermissionLab.version)
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    assert start(lab, **SUBMIT, workflow_name="qc", workflow_version_name="latest")


@drive(START, "parameters-file", f"{BARE} s3:GetObject", "parameters", prepare=parameters_file)
def _(lab: PermissionLab, uri: str, _deferrable: bool) -> None:
    assert start(lab, **SUBMIT, parameters=uri)


@drive(START, "inputs", f"{BARE} s3:GetObject s3:ListBucket", "check_inputs", prepare=lambda lab: lab.put("in/a.fq"))
def _(lab: PermissionLab, uri: str, _deferrable: bool) -> None:
    given = {"reads": uri, "folder": f"s3://{BUCKET}/in/"}
    assert start(lab, **SUBMIT, parameters=given, check_inputs="warn")


@drive(START, "cached", f"{BARE} GetRun ListRunCaches GetRunCache CreateRunCache ListRunTasks",
       "cache, cache hits, wait_for_completion", waits=True)  # fmt: skip
def _(lab: PermissionLab, _prepared: Any, deferrable: bool) -> None:
    assert start(lab, identity_tags=False, cache="auto", deferrable=deferrable)


def resources(lab: PermissionLab) -> dict[str, Any]:
    omics = lab.omics
    make_configuration(omics, "network")
    return {
        "run_group_id": omics.create_run_group(name="group")["id"],
        "cache_id": omics.create_run_cache(name="cache", cacheS3Location=f"s3://{BUCKET}/cache")["id"],
        "configuration_name": "network",
        "workflow_version_name": lab.version(),
        "run_id": lab.run(),
    }


_PREFLIGHT = {
    "workflow": "GetWorkflow GetWorkflowVersion",
    "configuration": "GetConfiguration",
    "cache": "GetRunCache",
    "run_group": "GetRunGroup",
    "output": "s3:PutObject",
    "quota": "servicequotas:ListServiceQuotas ListRuns",
}
PREFLIGHT = "OmicsPreflightOperator"
_CHECKED = ("run_group_id", "cache_id", "configuration_name", "workflow_version_name")

_WITH_OUTPUT = ("s3:ListBucket s3:DeleteObject", "bucket, write tests")

for _kind, _asks in _PREFLIGHT.items():
    _more = _WITH_OUTPUT if _kind == "output" else ("", "")

    @drive(PREFLIGHT, _kind, f"{_asks} {_more[0]}", f"{_kind}, {_more[1]}", prepare=resources)
    def _(lab: PermissionLab, made: dict[str, Any], _deferrable: bool, kind: str = _kind) -> None:
        given = {"workflow_id": lab.workflow_id, "output_uri": OUT, **{name: made[name] for name in _CHECKED}}
        task(OmicsPreflightOperator, preflight={"*": "off", kind: "fail", "unknown": "warn"}, **given)


@drive(PREFLIGHT, "rerun", "GetRun GetWorkflow", "run_id, workflow", prepare=lambda lab: lab.run())
def _(_lab: PermissionLab, run_id: str, _deferrable: bool) -> None:
    task(OmicsPreflightOperator, preflight={"*": "off", "workflow": "fail", "unknown": "warn"}, run_id=run_id)


@drive(PREFLIGHT, "named", "ListWorkflows ListWorkflowVersions GetWorkflow GetWorkflowVersion",
       "workflow_name, workflow", prepare=PermissionLab.version)  # fmt: skip
def _(_lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    given = {"workflow_name": "qc", "workflow_version_name": "latest"}
    task(OmicsPreflightOperator, preflight={"*": "off", "workflow": "fail", "unknown": "warn"}, **given)


@drive(PREFLIGHT, "parameters-file", "s3:GetObject", "parameters", prepare=parameters_file)
def _(_lab: PermissionLab, uri: str, _deferrable: bool) -> None:
    task(OmicsPreflightOperator, preflight="off", parameters=uri)


@drive(PREFLIGHT, "inputs", "s3:GetObject s3:ListBucket", "check_inputs", prepare=lambda lab: lab.put("in/a.fq"))
def _(_lab: PermissionLab, uri: str, _deferrable: bool) -> None:
    given = {"reads": uri, "folder": f"s3://{BUCKET}/in/"}
    task(OmicsPreflightOperator, preflight="off", parameters=given, check_inputs="warn")


@drive("OmicsCancelRunOperator", "active", "CancelRun", prepare=lambda lab: lab.run(ended=False))
def _(_lab: PermissionLab, run_id: str, _deferrable: bool) -> None:
    task(OmicsCancelRunOperator, run_id=run_id)


@drive("OmicsCancelRunOperator", "ended", "CancelRun GetRun", "other states", prepare=PermissionLab.run)
def _(_lab: PermissionLab, run_id: str, _deferrable: bool) -> None:
    task(OmicsCancelRunOperator, run_id=run_id)


@drive("OmicsCancelRunOperator", "waits", "CancelRun GetRun", "wait_for_completion",
       prepare=lambda lab: lab.run(ended=False), waits=True)  # fmt: skip
def _(_lab: PermissionLab, run_id: str, deferrable: bool) -> None:
    task(OmicsCancelRunOperator, run_id=run_id, wait_for_completion=True, deferrable=deferrable, **QUICK)


@drive("OmicsDeleteRunOperator", "ended", "DeleteRun", prepare=PermissionLab.run)
def _(_lab: PermissionLab, run_id: str, _deferrable: bool) -> None:
    task(OmicsDeleteRunOperator, run_id=run_id)


@drive("OmicsDeleteRunOperator", "active", "DeleteRun GetRun", "other states",
       prepare=lambda lab: lab.run(ended=False), ends=OmicsServiceError)  # fmt: skip
def _(_lab: PermissionLab, run_id: str, _deferrable: bool) -> None:
    task(OmicsDeleteRunOperator, run_id=run_id)


CREATE, MAKE_VERSION = "OmicsCreateWorkflowOperator", "OmicsCreateWorkflowVersionOperator"


def _definition(lab: PermissionLab) -> str:
    lab.s3.put_object(Bucket=BUCKET, Key="qc.zip", Body=cwl_without_inputs()["definitionZip"])
    return f"s3://{BUCKET}/qc.zip"


@drive(CREATE, "creates", "ListWorkflows GetWorkflow CreateWorkflow s3:GetObject", "definition",
       prepare=_definition, waits=True)  # fmt: skip
def _(_lab: PermissionLab, uri: str, deferrable: bool) -> None:
    given = {**ENGINE, **QUICK, "identity_tags": False, "deferrable": deferrable}
    task(OmicsCreateWorkflowOperator, name="new", definition=uri, **given)


@drive(CREATE, "tagged", "ListWorkflows GetWorkflow CreateWorkflow TagResource s3:GetObject",
       "identity_tags, tags, definition", prepare=_definition)  # fmt: skip
def _(_lab: PermissionLab, uri: str, _deferrable: bool) -> None:
    task(OmicsCreateWorkflowOperator, name="new", definition=uri, tags={"a": "b"}, **ENGINE, **QUICK)


@drive(MAKE_VERSION, "creates", "GetWorkflowVersion CreateWorkflowVersion s3:GetObject", "definition",
       prepare=_definition, waits=True)  # fmt: skip
def _(lab: PermissionLab, uri: str, deferrable: bool) -> None:
    given = {**ENGINE, **QUICK, "identity_tags": False, "deferrable": deferrable}
    task(OmicsCreateWorkflowVersionOperator, workflow_id=lab.workflow_id, definition=uri, **given)


@drive(MAKE_VERSION, "tagged", "GetWorkflowVersion CreateWorkflowVersion TagResource s3:GetObject",
       "identity_tags, tags, definition", prepare=_definition)  # fmt: skip
def _(lab: PermissionLab, uri: str, _deferrable: bool) -> None:
    given = {"workflow_id": lab.workflow_id, "definition": uri, "tags": {"a": "b"}}
    task(OmicsCreateWorkflowVersionOperator, **given, **ENGINE, **QUICK)


def _made_named(lab: PermissionLab, kind: Any, named: dict[str, Any]) -> dict[str, Any]:
    """Make one, and return the arguments that ask for the same again."""
    given = {**named, "definition": _definition(lab), **ENGINE, **QUICK}
    task(kind, **given)
    return given


def _find_untagged(kind: Any, shown_by: str, given: dict[str, Any]) -> None:
    """Find one that is there, as if the service showed no tags with it."""
    operator = kind(task_id="task", **given)
    events = operator.hook.conn.meta.events
    events.register(f"after-call.omics.{shown_by}", lambda parsed, **_: [parsed.pop("tags", None), None][1])
    run_task(operator, TaskInstance(task_id="task"))


@drive(CREATE, "finds", "ListWorkflows GetWorkflow ListTagsForResource s3:GetObject", "unshown tags, definition",
       prepare=lambda lab: _made_named(lab, OmicsCreateWorkflowOperator, {"name": "new"}))  # fmt: skip
def _(_lab: PermissionLab, given: dict[str, Any], _deferrable: bool) -> None:
    _find_untagged(OmicsCreateWorkflowOperator, "GetWorkflow", given)


@drive(MAKE_VERSION, "finds", "GetWorkflowVersion ListTagsForResource s3:GetObject", "unshown tags, definition",
       prepare=lambda lab: _made_named(lab, OmicsCreateWorkflowVersionOperator,
                                       {"workflow_id": lab.workflow_id, "version_name": "v9"}))  # fmt: skip
def _(_lab: PermissionLab, given: dict[str, Any], _deferrable: bool) -> None:
    _find_untagged(OmicsCreateWorkflowVersionOperator, "GetWorkflowVersion", given)


@drive("OmicsDeleteWorkflowOperator", "deletes", "DeleteWorkflow")
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    task(OmicsDeleteWorkflowOperator, workflow_id=lab.workflow_id)


@drive("OmicsDeleteWorkflowVersionOperator", "deletes", "DeleteWorkflowVersion", prepare=PermissionLab.version)
def _(lab: PermissionLab, version: str, _deferrable: bool) -> None:
    task(OmicsDeleteWorkflowVersionOperator, workflow_id=lab.workflow_id, version_name=version)


_VPC = {"vpcConfig": {"securityGroupIds": ["sg-1"], "subnetIds": ["subnet-01"]}}
_MADE: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "RunGroup": (OmicsCreateRunGroupOperator, {"max_runs": 5}, {"max_runs": 6}),
    "RunCache": (
        OmicsCreateRunCacheOperator,
        {"cache_s3_location": f"s3://{BUCKET}/cache", "cache_behavior": "CACHE_ALWAYS"},
        {"cache_s3_location": f"s3://{BUCKET}/cache", "cache_behavior": "CACHE_ON_FAILURE"},
    ),
    "Configuration": (OmicsCreateConfigurationOperator, {"run_configurations": _VPC, **QUICK}, {}),
}
_CONFIRM = {"RunGroup": "what was made", "RunCache": "what was made", "Configuration": ""}
_CHANGE = {"RunGroup": "limits", "RunCache": "behaviour"}
for _suffix, (_kind_, _first, _then) in _MADE.items():
    _name = f"OmicsCreate{_suffix}Operator"
    _list = "" if _suffix == "Configuration" else f"List{_suffix}s "

    @drive(
        _name, "creates", f"{_list}Get{_suffix} Create{_suffix}", _CONFIRM[_suffix], waits=_suffix == "Configuration"
    )
    def _(_lab: PermissionLab, _prepared: Any, deferrable: bool, kind: Any = _kind_, given: Any = _first) -> None:
        more = {"deferrable": deferrable} if kind is OmicsCreateConfigurationOperator else {}
        task(kind, name="nightly", **given, **more)

    @drive(_name, "tagged", f"{_list}Get{_suffix} Create{_suffix} TagResource", f"tags, {_CONFIRM[_suffix]}")
    def _(_lab: PermissionLab, _prepared: Any, _deferrable: bool, kind: Any = _kind_, given: Any = _first) -> None:
        task(kind, name="nightly", tags={"a": "b"}, **given)

    if _then:

        @drive(_name, "changes", f"{_list}Get{_suffix} Update{_suffix}", f"{_CHANGE[_suffix]}, one of the name",
               prepare=lambda _lab, kind=_kind_, given=_first: task(kind, name="nightly", **given))  # fmt: skip
        def _(_lab: PermissionLab, _prepared: Any, _deferrable: bool, kind: Any = _kind_, given: Any = _then) -> None:
            task(kind, name="nightly", **given)


@drive("OmicsDeleteRunGroupOperator", "deletes", "DeleteRunGroup", prepare=resources)
def _(_lab: PermissionLab, made: dict[str, Any], _deferrable: bool) -> None:
    task(OmicsDeleteRunGroupOperator, run_group_id=made["run_group_id"])


@drive("OmicsDeleteRunCacheOperator", "deletes", "DeleteRunCache", prepare=resources)
def _(_lab: PermissionLab, made: dict[str, Any], _deferrable: bool) -> None:
    task(OmicsDeleteRunCacheOperator, cache_id=made["cache_id"])


@drive("OmicsDeleteConfigurationOperator", "deletes", "DeleteConfiguration", prepare=resources)
def _(_lab: PermissionLab, _made: Any, _deferrable: bool) -> None:
    task(OmicsDeleteConfigurationOperator, name="network")


def _refusing(operation: str) -> Any:
    def prepare(lab: PermissionLab) -> Any:
        made, kind = resources(lab), FaultKind.ERROR_BEFORE
        lab.server.faults.add(FaultRule(kind=kind, operation=operation, code="ConflictException", http_status=409))
        return made

    return prepare


@drive("OmicsDeleteRunCacheOperator", "refused", "DeleteRunCache GetRunCache", "other states",
       prepare=_refusing("DeleteRunCache"), ends=OmicsServiceError)  # fmt: skip
def _(_lab: PermissionLab, made: dict[str, Any], _deferrable: bool) -> None:
    task(OmicsDeleteRunCacheOperator, cache_id=made["cache_id"])


@drive("OmicsDeleteConfigurationOperator", "refused", "DeleteConfiguration GetConfiguration", "other states",
       prepare=_refusing("DeleteConfiguration"), ends=OmicsServiceError)  # fmt: skip
def _(_lab: PermissionLab, _made: Any, _deferrable: bool) -> None:
    task(OmicsDeleteConfigurationOperator, name="network")


PRUNE = "OmicsPruneRunsOperator"
_ALL = {"status": ["COMPLETED", "FAILED"], "protect_for": "PT0S", "include_untagged": True, "error_budget": 0.0}


@drive(PRUNE, "plans", "ListRuns GetRun s3:PutObject ListWorkflows", "plan_uri, workflow_name",
       prepare=PermissionLab.run)  # fmt: skip
def _(_lab: PermissionLab, _run_id: str, _deferrable: bool) -> None:
    plan = task(OmicsPruneRunsOperator, **_ALL, workflow_name="qc", plan_uri=f"s3://{BUCKET}/plan.csv")
    assert plan["deletable"] == 1


@drive(PRUNE, "deletes", "ListRuns GetRun DeleteRun", "plan_only", prepare=PermissionLab.run)
def _(_lab: PermissionLab, _run_id: str, _deferrable: bool) -> None:
    assert task(OmicsPruneRunsOperator, **_ALL, plan_only=False)["deleted"] == 1


@drive(PRUNE, "of-batches", "ListRuns GetBatch ListBatch GetRun", "runs of batches",
       prepare=lambda lab: (lab.batch(batchName="b", tags={"airflow-intent": "x"}), lab.run()))  # fmt: skip
def _(_lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    task(OmicsPruneRunsOperator, **{**_ALL, "include_other_deployments": True})


ANALYSE = "OmicsAnalyzeRunsOperator"
_READ = "logs:GetLogEvents s3:PutObject s3:DeleteObject"


@drive(ANALYSE, "runs", f"{_READ} GetRun", "run_ids, write tests", prepare=PermissionLab.run)
def _(_lab: PermissionLab, run_id: str, _deferrable: bool) -> None:
    task(OmicsAnalyzeRunsOperator, run_ids=run_id, results_uri=f"s3://{BUCKET}/analysis")


@drive(ANALYSE, "batches", f"{_READ} ListRunsInBatch ListRuns", "batch_ids, write tests", prepare=PermissionLab.batch)
def _(_lab: PermissionLab, batch_id: str, _deferrable: bool) -> None:
    task(OmicsAnalyzeRunsOperator, batch_ids=batch_id, results_uri=f"s3://{BUCKET}/analysis")


@drive(ANALYSE, "without-manifest", f"{_READ} GetRun ListRunTasks GetWorkflow",
       "run_ids, no manifest, snippet_engine, write tests",
       prepare=lambda lab: lab.run(logLevel="OFF", tags={"omics-local:manifest": "none"}))  # fmt: skip
def _(_lab: PermissionLab, run_id: str, _deferrable: bool) -> None:
    task(OmicsAnalyzeRunsOperator, run_ids=run_id, results_uri=f"s3://{BUCKET}/analysis")


@drive("OmicsRunSensor", "completed", "GetRun", prepare=PermissionLab.run, waits=True)
def _(_lab: PermissionLab, run_id: str, deferrable: bool) -> None:
    assert sensor(OmicsRunSensor, deferrable, run_id=run_id)["run_output_uri"]


@drive("OmicsRunSensor", "failing", f"GetRun {FAILURE}", "failure details",
       prepare=lambda lab: lab.run(**FAILED), ends=OmicsRunFailedError, waits=True)  # fmt: skip
def _(_lab: PermissionLab, run_id: str, deferrable: bool) -> None:
    sensor(OmicsRunSensor, deferrable, run_id=run_id)


@drive("OmicsWorkflowSensor", "active", "GetWorkflow", waits=True)
def _(lab: PermissionLab, _prepared: Any, deferrable: bool) -> None:
    sensor(OmicsWorkflowSensor, deferrable, workflow_id=lab.workflow_id)


@drive("OmicsWorkflowSensor", "version", "GetWorkflowVersion", "version_name", prepare=PermissionLab.version)
def _(lab: PermissionLab, version: str, deferrable: bool) -> None:
    sensor(OmicsWorkflowSensor, deferrable, workflow_id=lab.workflow_id, version_name=version)


@drive("OmicsConfigurationSensor", "active", "GetConfiguration", prepare=resources, waits=True)
def _(_lab: PermissionLab, _prepared: Any, deferrable: bool) -> None:
    sensor(OmicsConfigurationSensor, deferrable, name="network")


@drive("OmicsRunTrigger", "fires", "GetRun", prepare=PermissionLab.run)
def _(_lab: PermissionLab, run_id: str, _deferrable: bool) -> None:
    fired(OmicsRunTrigger(run_id=run_id, **QUICK))


@drive("OmicsRunTrigger", "many", "GetRun ListRuns", "many waits", prepare=lambda lab: [lab.run() for _ in range(6)])
def _(_lab: PermissionLab, run_ids: list[str], _deferrable: bool) -> None:
    fired(*(OmicsRunTrigger(run_id=run_id, **QUICK) for run_id in run_ids))


@drive("OmicsRunTrigger", "deadline", "CancelRun", "cancel_on_kill", prepare=lambda lab: lab.run(ended=False))
def _(_lab: PermissionLab, run_id: str, _deferrable: bool) -> None:
    given = {"deadline": time.time() - 1, "cancel_on_timeout": True}
    (payload,) = fire_all(OmicsRunTrigger(run_id=run_id, **QUICK, **given))
    print(dict(payload))


@drive("OmicsWorkflowTrigger", "fires", "GetWorkflow")
def _(lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    fired(OmicsWorkflowTrigger(workflow_id=lab.workflow_id, version_name=None, **QUICK))


@drive("OmicsWorkflowTrigger", "version", "GetWorkflowVersion", "version_name", prepare=PermissionLab.version)
def _(lab: PermissionLab, version: str, _deferrable: bool) -> None:
    fired(OmicsWorkflowTrigger(workflow_id=lab.workflow_id, version_name=version, **QUICK))


@drive("OmicsConfigurationTrigger", "fires", "GetConfiguration", prepare=resources)
def _(_lab: PermissionLab, _prepared: Any, _deferrable: bool) -> None:
    fired(OmicsConfigurationTrigger(name="network", **QUICK))
