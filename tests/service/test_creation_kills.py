"""Tasks that are killed while they create something: however far the call had got, there is one in the end."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator
from killed_tasks import HeldCall, Task, TaskProcess
from omics_service import wdl_zip

from airflow_provider_omics.local import Assumptions, LocalOmics
from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.assumptions import RepeatedRequestId
from airflow_provider_omics.local.faults import CallFacts, FaultKind, FaultRule
from airflow_provider_omics.operators.account import (
    OmicsCreateConfigurationOperator,
    OmicsCreateRunCacheOperator,
    OmicsCreateRunGroupOperator,
)
from airflow_provider_omics.operators.workflow import OmicsCreateWorkflowOperator, OmicsCreateWorkflowVersionOperator

TOOL = "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: echo\ninputs:\n  text: string\noutputs: {}\n"
VPC = {"vpcConfig": {"securityGroupIds": ["sg-1"], "subnetIds": ["subnet-01"]}}
#: When the service shows what the first try has made: always, at the second look, or once it is asked for it again.
ALWAYS, LATE, ASKED = "always", "late", "asked"
MOMENTS = BEFORE, UNANSWERED, ANSWERED = "before", "unanswered", "answered"


@dataclass(frozen=True)
class Creation:
    """What is created: by which operator, with what arguments, and where the server keeps it.

    :param kind: how its operations end, as in ``CreateRunCache``.
    :param look: operation by which it is looked for.
    :param arguments: makes them of a name that nothing else has, and of a folder with a definition.
    :param named: ids or names of those of a name that there are.
    :param kept: where the server keeps them, by these.
    """

    kind: str
    look: str
    operator: type[BaseOperator]
    arguments: Callable[[str, Path], dict[str, Any]]
    named: Callable[[AccountState, str], list[str]]
    kept: Callable[[AccountState, str], dict[str, Any]]


WORKFLOW = Creation(
    "Workflow",
    "ListWorkflows",
    OmicsCreateWorkflowOperator,
    lambda name, folder: {"name": name, "definition": str(folder), "check_definition": "off"},
    lambda state, name: [one.workflow_id for one in state.workflows.values() if one.name == name],
    lambda state, _: state.workflows,
)
VERSION = Creation(
    "WorkflowVersion",
    "GetWorkflowVersion",
    OmicsCreateWorkflowVersionOperator,
    lambda name, folder: {"workflow_name": f"{name}-parent", "definition": str(folder), "check_definition": "off"},
    lambda state, name: [
        str(version.version_name)
        for one in state.workflows.values()
        if one.name == f"{name}-parent"
        for version in one.versions.values()
    ],
    lambda state, name: next(one.versions for one in state.workflows.values() if one.name == f"{name}-parent"),
)
RUN_CACHE = Creation(
    "RunCache",
    "ListRunCaches",
    OmicsCreateRunCacheOperator,
    lambda name, _: {"name": name, "cache_s3_location": f"s3://caches/{name}"},
    lambda state, name: [one.cache_id for one in state.run_caches.values() if one.settings["name"] == name],
    lambda state, _: state.run_caches,
)
RUN_GROUP = Creation(
    "RunGroup",
    "ListRunGroups",
    OmicsCreateRunGroupOperator,
    lambda name, _: {"name": name, "max_runs": 5},
    lambda state, name: [one.group_id for one in state.run_groups.values() if one.settings["name"] == name],
    lambda state, _: state.run_groups,
)
CONFIGURATION = Creation(
    "Configuration",
    "GetConfiguration",
    OmicsCreateConfigurationOperator,
    lambda name, _: {"name": name, "run_configurations": VPC, "waiter_delay": 0.02},
    lambda state, name: [one for one in state.configurations if one == name],
    lambda state, _: state.configurations,
)
FORGOTTEN = RepeatedRequestId.FORGOTTEN
MAIN, OTHERS = (WORKFLOW, VERSION, RUN_CACHE), (RUN_GROUP, CONFIGURATION)


@dataclass
class Trial:
    """One creation whose first try is killed.

    :param moment: when: before its call has its effect, after that but before the answer, or after the answer.
    :param shown: when the service shows to the second try what the first one has made.
    """

    creation: Creation
    moment: str
    shown: str
    server: LocalOmics
    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        # Content of its own, of which the version's name is made.
        (self.folder / "main.cwl").write_text(f"{TOOL}# {self.name}\n")
        if self.creation is VERSION:
            settings = {"engine": "WDL", "definitionZip": wdl_zip()}
            self.server.client("omics").create_workflow(name=f"{self.name}-parent", **settings)

    @property
    def asks_again(self) -> bool:
        """Whether the second try cannot see that there is one, and asks with the same request id."""
        return self.moment == BEFORE or self.shown == ASKED

    @property
    def name(self) -> str:
        """What it creates, and the login of its tasks."""
        return self.folder.name

    def task(self) -> Task:
        """Return one try."""
        arguments = self.creation.arguments(self.name, self.folder)
        return Task(self.server, self.name, self.creation.operator, arguments)

    def hold(self) -> HeldCall:
        """Have the server hold the call at which the first try is killed."""
        verb = "Get" if self.moment == ANSWERED else "Create"
        kind = FaultKind.LOST_ANSWER if self.moment == UNANSWERED else FaultKind.DROPPED_CONNECTION
        is_made = self.moment == ANSWERED
        return HeldCall(
            self.server, self.name, verb + self.creation.kind, kind, when=lambda: bool(self.made()) is is_made
        )

    def fall_behind(self) -> None:
        """Have the service show what the first try has made only when it is to."""
        if self.shown == ALWAYS:
            return
        state, made = self.server.account(), self.made()
        with state.lock:
            kept = self.creation.kept(state, self.name)
            hidden = {key: kept.pop(key) for key in made}
        operation = f"Create{self.creation.kind}" if self.shown == ASKED else self.creation.look
        counts, first = self.server.journal.counts, list[int]()

        def show(facts: CallFacts) -> bool:
            if facts.access_key == self.name:
                first.append(counts[operation])
                # A call is counted once it is answered.
                if self.shown == ASKED or counts[operation] > first[0]:
                    kept.update(hidden)
            return False

        # No fault: only what is told of each call before it has its effect.
        self.server.faults.add(FaultRule(kind=FaultKind.THROTTLE, operation=operation, matches=show))

    def made(self) -> list[str]:
        """Return what there is of it."""
        state = self.server.account()
        with state.lock:
            return self.creation.named(state, self.name)


@pytest.mark.parametrize(
    ("reading", "shown", "planned"),
    [
        (FORGOTTEN, ALWAYS, [*itertools.product(MAIN, MOMENTS), *itertools.product(OTHERS, [UNANSWERED])]),
        (FORGOTTEN, LATE, [*itertools.product((*MAIN, *OTHERS), [UNANSWERED])]),
        (RepeatedRequestId.FIRST_ANSWER, ASKED, [*itertools.product(MAIN, [UNANSWERED])]),
        (RepeatedRequestId.CONFLICT, ASKED, [*itertools.product(MAIN, [UNANSWERED])]),
    ],
    ids=["forgotten", "forgotten_and_shown_late", "first_answer", "conflict"],
)
def test_the_second_try_ends_with_the_one_that_there_is(
    omics_local: LocalOmics,
    tmp_path: Path,
    reading: RepeatedRequestId,
    shown: str,
    planned: list[tuple[Creation, str]],
) -> None:
    omics_local.account().assumptions = Assumptions(repeated_request_id=reading)
    omics_local.client("s3").create_bucket(Bucket="caches")
    # Where the service has forgotten the request id, nothing but what it shows keeps a task from making a second one.
    trials = [
        Trial(creation, moment, shown, omics_local, tmp_path / f"{creation.kind}-{moment}")
        for creation, moment in planned
    ]
    journal = omics_local.journal
    effects, counts = counted(journal.effects), counted(journal.counts)

    with ExitStack() as stack:
        held = [stack.enter_context(closing(trial.hold())) for trial in trials]
        first = [TaskProcess(trial.task()) for trial in trials]
        for call, task in zip(held, first, strict=True):
            call.kill(task)
    assert [len(trial.made()) for trial in trials] == [trial.moment != BEFORE for trial in trials]

    for trial in trials:
        trial.fall_behind()
    second = TaskProcess(*(trial.task() for trial in trials), try_number=2)
    assert [[result] for result in second.results()] == [trial.made() for trial in trials]
    assert counted(journal.effects) - effects == Counter(trial.creation.kind for trial in trials)
    # A second call was made only where the first one's effect could not be seen.
    asked = Counter(kind for trial in trials for kind in [trial.creation.kind] * (1 + trial.asks_again))
    assert counted(journal.counts) - counts == asked


def counted(calls: Counter[str]) -> Counter[str]:
    """Count the calls that create, by what they create."""
    return Counter({one.kind: calls[f"Create{one.kind}"] for one in (*MAIN, *OTHERS)})
