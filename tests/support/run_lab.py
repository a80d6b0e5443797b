"""An account whose clock and runs a test moves by hand."""

from __future__ import annotations

from typing import Any

from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.clock import ManualClock
from airflow_provider_omics.local.executors.base import RunReport
from airflow_provider_omics.local.records import Run, Workflow

ROLE = "arn:aws:iam::123456789012:role/omics"


class HandDrivenExecutor:
    """Leaves every run to the test, which reports in its place."""

    def __init__(self, _state: AccountState) -> None:
        self.reports: dict[str, RunReport] = {}
        self.cancelled: list[str] = []

    def prepare(self) -> None: ...

    def launch(self, run: Run, workflow: Workflow, report: RunReport) -> None:
        self.reports[run.run_id] = report

    def cancel(self, run: Run) -> bool:
        self.cancelled.append(run.run_id)
        return False

    def close(self) -> None: ...


class Lab:
    """An account whose clock and runs the test moves by hand."""

    def __init__(self, state: AccountState, clock: ManualClock) -> None:
        self.state = state
        self.clock = clock

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.state.timeline.run_due()

    def report(self, run: Run) -> RunReport:
        return self.state.executor.reports[run.run_id]  # type: ignore[attr-defined]

    def add_workflow(self, **settings: Any) -> str:
        workflow_id = self.state.new_id()
        self.state.workflows[workflow_id] = Workflow(
            **{
                "workflow_id": workflow_id,
                "uuid": self.state.new_uuid(),
                "arn": self.state.arn(f"workflow/{workflow_id}"),
                "name": "workflow",
                "status": "ACTIVE",
                "workflow_type": "PRIVATE",
                "engine": "WDL",
                "creation_time": self.state.now(),
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
