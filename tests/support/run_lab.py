"""A world whose clock and runs a test moves by hand."""

from __future__ import annotations

from typing import Any

from airflow_provider_omics.local.clock import ManualClock
from airflow_provider_omics.local.executors.base import RunReport
from airflow_provider_omics.local.records import Run, Workflow
from airflow_provider_omics.local.world import World

ROLE = "arn:aws:iam::123456789012:role/omics"


class HandDrivenExecutor:
    """Leaves every run to the test, which reports in its place."""

    def __init__(self, _world: World) -> None:
        self.reports: dict[str, RunReport] = {}
        self.cancelled: list[str] = []

    def prepare(self) -> None: ...

    def launch(self, run: Run, workflow: Workflow, report: RunReport) -> None:
        self.reports[run.run_id] = report

    def cancel(self, run: Run) -> None:
        self.cancelled.append(run.run_id)

    def close(self) -> None: ...


class Lab:
    """A world whose clock and runs the test moves by hand."""

    def __init__(self, world: World, clock: ManualClock) -> None:
        self.world = world
        self.clock = clock

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.world.timeline.run_due()

    def report(self, run: Run) -> RunReport:
        return self.world.executor.reports[run.run_id]  # type: ignore[attr-defined]

    def add_workflow(self, **settings: Any) -> str:
        workflow_id = self.world.new_id()
        self.world.workflows[workflow_id] = Workflow(
            **{
                "workflow_id": workflow_id,
                "uuid": self.world.new_uuid(),
                "arn": self.world.arn(f"workflow/{workflow_id}"),
                "name": "workflow",
                "status": "ACTIVE",
                "workflow_type": "PRIVATE",
                "engine": "WDL",
                "creation_time": self.world.now(),
                **settings,
            }
        )
        return workflow_id

    def request(self, **settings: Any) -> dict[str, Any]:
        """Return a StartRun request with what is required; None leaves a member out."""
        request = {"roleArn": ROLE, "outputUri": "s3://results/runs", **settings}
        if not request.keys() & {"workflowId", "runId"}:
            request["workflowId"] = self.add_workflow()
        return {name: value for name, value in request.items() if value is not None}
