"""What each class is made to do while the server allows no more than its permissions: the drives, and their account."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from holding import HELD_RUN, Holding
from omics_service import ROLE, await_status, cwl_without_inputs
from task_runs import TaskInstance, load_trigger, may_execute_here, run_task

from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.permissions import HOOK_METHODS, PERMISSIONS, Feature

BUCKET = "permissions"
OUT = f"s3://{BUCKET}/out"
QUICK = {"waiter_delay": 0.02, "error_budget": 0.0}
# A task that is polled once and has no retry left cancels what it waits for.
GIVES_UP = {**QUICK, "waiter_max_attempts": 1}


class PermissionLab:
    """An account with a workflow and a bucket."""

    def __init__(self, server: LocalOmics) -> None:
        self.server = server
        self.omics = server.client("omics")
        self.s3 = server.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self.workflow_id = str(self.omics.create_workflow(name="qc", **cwl_without_inputs())["id"])
        await_status(lambda: dict(self.omics.get_workflow(id=self.workflow_id)), "ACTIVE")

    @cached_property
    def held(self) -> Holding:
        """What keeps runs that take HELD seconds as they are, from its first use on."""
        return Holding(self.server)

    def fault(self, operation: str, **more: Any) -> None:
        """Have a call, or a step inside of a batch, fail."""
        self.server.faults.add(FaultRule(kind=FaultKind.ERROR_BEFORE, operation=operation, **more))

    def version(self, name: str = "v1") -> str:
        """Make a version of the workflow."""
        named = {"workflowId": self.workflow_id, "versionName": name}
        self.omics.create_workflow_version(**named, **cwl_without_inputs())
        await_status(lambda: dict(self.omics.get_workflow_version(**named)), "ACTIVE")
        return name

    def put(self, key: str, content: str = "reads") -> str:
        """Write an object, and return its URI."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content.encode())
        return f"s3://{BUCKET}/{key}"

    def run(self, *, ended: bool = True, **request: Any) -> str:
        """Start a run that ends, or that goes on until the account is forgotten."""
        if not ended:
            request["tags"] = self.held_tags
        settings = {"workflowId": self.workflow_id, "roleArn": ROLE, "outputUri": OUT, **request}
        run_id = str(self.omics.start_run(**settings)["id"])
        if ended:
            await_status(lambda: dict(self.omics.get_run(id=run_id)), "COMPLETED", "FAILED")
        return run_id

    def batch(self, *settings: dict[str, Any], ended: bool = True, until: str = "", **members: Any) -> str:
        """Start a batch that is PROCESSED, or whose runs go on until the account is forgotten.

        :param until: another state of the batch to wait for.
        """
        given = list(settings or ({"runSettingId": "a"}, {"runSettingId": "b"}))
        if not ended:
            given = [{"runTags": self.held_tags, **one} for one in given]
        shared = {"workflowId": self.workflow_id, "roleArn": ROLE, "outputUri": OUT}
        request = {"defaultRunSetting": shared, "batchRunSettings": {"inlineSettings": given}, **members}
        batch_id = str(self.omics.start_run_batch(**request)["id"])
        await_status(
            lambda: dict(self.omics.get_batch(batchId=batch_id)), until or ("PROCESSED" if ended else "INPROGRESS")
        )
        return batch_id

    def failed_batch(self, *, ended: bool = False, **members: Any) -> str:
        """Start a batch that FAILED, and whose first run has ended, or goes on until it is let go."""
        self.fault("RunBatch.abort", skip=1)
        batch_id = self.batch(ended=ended, until="FAILED", **members)
        if ended:
            for run in self.omics.list_runs(batchId=batch_id)["items"]:
                await_status(lambda run_id=run["id"]: dict(self.omics.get_run(id=run_id)), "COMPLETED")
        return batch_id

    @property
    def held_tags(self) -> dict[str, str]:
        """Tags of a run that goes on until it is let go."""
        assert self.held
        return HELD_RUN


#: They pause after an error, say so in the log, and try again.
NEVER_FAIL = {"OmicsRunEventTrigger"}
Act = Callable[[PermissionLab, Any, bool], Any]


@dataclass(frozen=True)
class Drive:
    """One thing that a class is made to do.

    :param of: name of the class, or of the hook's method.
    :param features: features that it uses.
    :param asks: all actions that it asks for.
    :param act: does it; gets the account, what was prepared, and whether to defer.
    :param prepare: what is done before, with all permissions.
    :param ends: the error that it ends with; None where it succeeds.
    :param waits: whether it can be deferred.
    :param goes_on: actions that it can do without, although the class or a feature of it cannot.
    """

    of: str
    name: str
    features: frozenset[str]
    asks: frozenset[str]
    act: Act
    prepare: Callable[[PermissionLab], Any]
    ends: type[Exception] | None
    waits: bool
    goes_on: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.of}-{self.name}"

    def owners(self, action: str) -> list[Feature]:
        """The features of the drive that an action is for."""
        listed = {**PERMISSIONS, **HOOK_METHODS}[self.of]
        return [one for one in listed.features if one.option in self.features and action in one.actions]

    def fails_without(self, action: str) -> bool:
        """Whether it has to fail without an action."""
        if self.of in NEVER_FAIL or action in self.goes_on:
            return False
        listed = {**PERMISSIONS, **HOOK_METHODS}[self.of]
        return action in listed.required or any(feature.fails for feature in self.owners(action))


DRIVES: list[Drive] = []


def drive(
    of: str,
    name: str,
    asks: str,
    features: str = "",
    *,
    prepare: Callable[[PermissionLab], Any] = lambda _: None,
    ends: type[Exception] | None = None,
    waits: bool = False,
    goes_on: str = "",
) -> Callable[[Act], Act]:
    """Add a drive.

    :param asks: names of actions, those of HealthOmics without their service.
    :param features: names of features, divided by commas.
    :param goes_on: names of actions, as those of ``asks``.
    """
    options = frozenset(option.strip() for option in features.split(",") if option.strip())

    def add(act: Act) -> Act:
        DRIVES.append(Drive(of, name, options, _actions(asks), act, prepare, ends, waits, _actions(goes_on)))
        return act

    return add


def _actions(names: str) -> frozenset[str]:
    return frozenset(word if ":" in word else f"omics:{word}" for word in names.split())


def task(kind: Any, ti: TaskInstance | None = None, **arguments: Any) -> Any:
    """Run a task to its end, and return what it returned."""
    operator = kind(task_id="task", **arguments)
    ti = ti or TaskInstance(task_id="task")
    ti.task = operator  # type: ignore[attr-defined]
    return run_task(operator, ti).result


def crash(kind: Any, **arguments: Any) -> None:
    """Run the first try of a task until it waits, as if its worker died then."""
    _until_it_waits(kind(task_id="task", deferrable=True, **arguments), max_tries=3)


def side_by_side(kind: Any, *each: dict[str, Any], **shared: Any) -> list[Any]:
    """Run deferred tasks to their ends, with the triggers of all of them on one event loop."""
    tasks = [kind(task_id=f"task-{n}", deferrable=True, **given, **shared) for n, given in enumerate(each)]
    waits = [_until_it_waits(one) for one in tasks]
    payloads = fire_all(*(load_trigger(*wait.trigger.serialize()) for wait, _ in waits))
    return [
        one.resume_execution(wait.method_name, {**(wait.kwargs or {}), "event": payload}, context)
        for one, (wait, context), payload in zip(tasks, waits, payloads, strict=True)
    ]


def _until_it_waits(operator: Any, **members: Any) -> tuple[TaskDeferred, Any]:
    ti = TaskInstance(task_id=operator.task_id, **members)
    ti.task = operator  # type: ignore[attr-defined]
    context: Any = {"ti": ti, "task_instance": ti, "params": {}, "run_id": ti.run_id}
    may_execute_here()
    operator.render_template_fields(context)
    with pytest.raises(TaskDeferred) as caught:
        operator.execute(context)
    return caught.value, context


def second_try(max_tries: int = 3) -> TaskInstance:
    """The second try of the same task."""
    return TaskInstance(task_id="task", try_number=2, max_tries=max_tries)


def fire_all(*triggers: Any) -> list[Any]:
    """Run triggers side by side on one event loop, each until its first event."""

    async def first(trigger: Any) -> Any:
        events = trigger.run()
        try:
            return (await anext(events)).payload
        finally:
            await events.aclose()

    async def together() -> list[Any]:
        return list(await asyncio.gather(*map(first, triggers)))

    return asyncio.run(together())


def fired(*triggers: Any) -> None:
    """Run triggers, and raise what their tasks would."""
    for payload in fire_all(*triggers):
        if payload["why"] != "ended":
            raise RuntimeError(payload["message"])


def sensor(kind: Any, deferrable: bool, **given: Any) -> Any:
    """Run a sensor to its end, and return what it returned."""
    return task(kind, deferrable=deferrable, poke_interval=0.02, error_budget=0.0, **given)


def hook() -> OmicsHook:
    """The hook, with Airflow's default connection."""
    return OmicsHook()


def parameters_file(lab: PermissionLab) -> str:
    """Write parameters to S3."""
    return lab.put("parameters.json", json.dumps({"sample": "NA12878"}))
