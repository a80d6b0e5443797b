"""The waiters of SDKs on runs that last for milliseconds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import WaiterError
from omics_service import await_status

from airflow_provider_omics.local import LocalOmics

Start = Callable[..., dict[str, Any]]
AT_ONCE = {"Delay": 1, "MaxAttempts": 1}


@pytest.fixture
def completed(server: LocalOmics, omics: Any, start_run: Start) -> str:
    """A run that has come to its end before any waiter asks."""
    server.change(assumptions={"waiters_see_running": True})
    run_id: str = start_run()["id"]
    await_status(lambda: omics.get_run(id=run_id), "COMPLETED")
    return run_id


def test_a_waiter_sees_a_run_running_once(omics: Any, completed: str) -> None:
    omics.get_waiter("run_running").wait(id=completed, WaiterConfig=AT_ONCE)
    omics.get_waiter("run_completed").wait(id=completed, WaiterConfig=AT_ONCE)
    with pytest.raises(WaiterError):
        omics.get_waiter("run_running").wait(id=completed, WaiterConfig=AT_ONCE)


def test_a_waiter_sees_a_task_running_once(omics: Any, completed: str) -> None:
    task_id = omics.list_run_tasks(id=completed)["items"][0]["taskId"]
    omics.get_waiter("task_running").wait(id=completed, taskId=task_id, WaiterConfig=AT_ONCE)
    omics.get_waiter("task_completed").wait(id=completed, taskId=task_id, WaiterConfig=AT_ONCE)


def test_others_see_the_run_as_it_is(omics: Any, completed: str) -> None:
    assert omics.get_run(id=completed)["status"] == "COMPLETED"


def test_the_switch_is_off_unless_the_command_is_fast(server: LocalOmics, omics: Any, start_run: Start) -> None:
    run_id = start_run()["id"]
    await_status(lambda: omics.get_run(id=run_id), "COMPLETED")
    omics.get_waiter("run_completed").wait(id=run_id, WaiterConfig=AT_ONCE)
    with pytest.raises(WaiterError):
        omics.get_waiter("run_running").wait(id=run_id, WaiterConfig=AT_ONCE)


def test_a_failed_run_fails_the_waiter(server: LocalOmics, omics: Any, start_run: Start) -> None:
    server.change(assumptions={"waiters_see_running": True})
    run_id = start_run(tags={"omics-local:outcome": "OUT_OF_MEMORY_ERROR"})["id"]
    await_status(lambda: omics.get_run(id=run_id), "FAILED")
    with pytest.raises(WaiterError, match="terminal failure state"):
        omics.get_waiter("run_running").wait(id=run_id, WaiterConfig=AT_ONCE)


def test_the_command_line_waits_for_running(server: LocalOmics, completed: str) -> None:
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    command = [sys.executable, "-m", "awscli", "omics", "wait", "run-running", "--id", completed]
    environment = {**os.environ, **nowhere, **server.environment()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stderr) == (0, "")
