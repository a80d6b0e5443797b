"""What each class is made to do while the server allows no more than its permissions: the drives, and their account."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from holding import HELD_RUN, Holding
from omics_service import ROLE, await_status, wdl_zip
from task_runs import TaskInstance, run_task

from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.permissions import HOOK_METHODS, PERMISSIONS, Feature

BUCKET = "permissions"
OUT = f"s3://{BUCKET}/out"
QUICK = {"waiter_delay": 0.02, "error_budget": 0.0}
# A task that is polled once and has no retry left cancels what it waits for.
GIVES_UP = {**QUICK, "waiter_max_attempts": 1}


class PermissionLab:
    """An account with a workflow, a version of it and a bucket.

    :ivar held: keeps what takes HELD seconds as it is.
    """

    def __init__(self, server: LocalOmics) -> None:
        self.server = server
        self.omics = server.client("omics")
        self.s3 = server.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self.workflow_id = str(self.omics.create_workflow(name="qc", engine="WDL", definitionZip=wdl_zip())["id"])
        await_status(lambda: dict(self.omics.get_workflow(id=self.workflow_id)), "ACTIVE")

    def version(self, name: str = "v1") -> str:
        """Make a version of the workflow."""
        named = {"workflowId": self.workflow_id, "versionName": name}
        self.omics.create_workflow_version(**named, definitionZip=wdl_zip(), engine="WDL")
        await_status(lambda: dict(self.omics.get_workflow_version(**named)), "ACTIVE")
        return name

    def put(self, key: str, content: str = "reads") -> str:
        """Write an object, and return its URI."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content.encode())
        return f"s3://{BUCKET}/{key}"

    def run(self, *, ended: bool = True, **request: Any) -> str:
        """Start a run that ends, or that goes on until the account is forgotten."""
        if not ended:
            Holding(self.server)
            request["tags"] = HELD_RUN
        settings = {"workflowId": self.workflow_id, "roleArn": ROLE, "outputUri": OUT, **request}
        run_id = str(self.omics.start_run(**settings)["id"])
        if ended:
            await_status(lambda: dict(self.omics.get_run(id=run_id)), "COMPLETED", "FAILED")
        return run_id

    def batch(self, *settings: dict[str, Any], ended: bool = True, **members: Any) -> str:
        """Start a batch that is PROCESSED, or whose runs go on until the account is forgotten."""
        given = list(settings or ({"runSettingId": "a"}, {"runSettingId": "b"}))
        if not ended:
            Holding(self.server)
            given = [{**one, "runTags": HELD_RUN} for one in given]
        shared = {"workflowId": self.workflow_id, "roleArn": ROLE, "outputUri": OUT}
        request = {"defaultRunSetting": shared, "batchRunSettings": {"inlineSettings": given}, **members}
        batch_id = str(self.omics.start_run_batch(**request)["id"])
        wanted = ("PROCESSED",) if ended else ("INPROGRESS",)
        await_status(lambda: dict(self.omics.get_batch(batchId=batch_id)), *wanted)
        return batch_id


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
    """

    of: str
    name: str
    features: frozenset[str]
    asks: frozenset[str]
    act: Act
    prepare: Callable[[PermissionLab], Any]
    ends: type[Exception] | None
    waits: bool

    def __str__(self) -> str:
        return f"{self.of}-{self.name}"

    def owners(self, action: str) -> list[Feature]:
        """The features of the drive that an action is for."""
        listed = {**PERMISSIONS, **HOOK_METHODS}[self.of]
        return [one for one in listed.features if one.option in self.features and action in one.actions]

    def fails_without(self, action: str) -> bool:
        """Whether it has to fail without an action."""
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
) -> Callable[[Act], Act]:
    """Add a drive.

    :param asks: names of actions, those of HealthOmics without their service.
    :param features: names of features, divided by commas.
    """
    actions = frozenset(word if ":" in word else f"omics:{word}" for word in asks.split())
    options = frozenset(option.strip() for option in features.split(",") if option.strip())

    def add(act: Act) -> Act:
        DRIVES.append(Drive(of, name, options, actions, act, prepare, ends, waits))
        return act

    return add


def task(kind: Any, ti: TaskInstance | None = None, **arguments: Any) -> Any:
    """Run a task to its end, and return what it returned."""
    operator = kind(task_id="task", **arguments)
    ti = ti or TaskInstance(task_id="task")
    ti.task = operator  # type: ignore[attr-defined]
    return run_task(operator, ti).result


def crash(kind: Any, **arguments: Any) -> None:
    """Run the first try of a task until it waits, as if its worker died then."""
    operator = kind(task_id="task", deferrable=True, **arguments)
    ti = TaskInstance(task_id="task", max_tries=3)
    ti.task = operator  # type: ignore[attr-defined]
    context: Any = {"ti": ti, "task_instance": ti, "params": {}, "run_id": ti.run_id}
    operator.render_template_fields(context)
    with pytest.raises(TaskDeferred):
        operator.execute(context)


def second_try() -> TaskInstance:
    """The second try of the same task."""
    return TaskInstance(task_id="task", try_number=2, max_tries=3)


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
