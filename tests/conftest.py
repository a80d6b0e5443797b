from __future__ import annotations

import gc
import inspect
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_account import close_accounts
from botocore.retries.standard import ExponentialBackoff
from call_clock import CallClock
from hypothesis import HealthCheck, settings
from omics_errors import unwrapped
from omics_service import ROLE, await_status, wdl_zip
from quick_clients import make_clients_quickly
from secret_masks import masks_of_one_task
from xdist.scheduler import LoadScopeScheduling

from airflow_provider_omics.healthomics.api.backoff import Backoff
from airflow_provider_omics.healthomics.watcher import client
from airflow_provider_omics.local import LocalOmics, Quotas, Timings

pytest_plugins = ["pytester"]
TESTS = Path(__file__).parent
#: Modules that start an Airflow of their own; the others in their folder share one.
ALONE = ("test_demo.py", "test_celery_stack.py")
#: How scripts/test asks for the tests with an Airflow of their own, and which folders have none of them.
WITH_AIRFLOW = "e2e or chaos"
WITHOUT_AIRFLOW = (TESTS / "unit", TESTS / "service", TESTS / "docs")


class ByAirflow(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Keeps tests that share an Airflow together where several processes run the tests."""

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        return path.name if path.name in ALONE else path.parts[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByAirflow | None:
    """Schedule by what is shared (``--dist loadgroup``); the groups of pytest-xdist 3.8 get lost in pytest 9.2."""
    return ByAirflow(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_configure(config: pytest.Config) -> None:
    """Have no property test depend on the machine's speed, nor on chance unless more examples are asked for."""
    at_random = config.getoption("--more-examples") > 1
    settings.register_profile(
        "tests", deadline=None, derandomize=not at_random, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("tests")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the clients that need an environment of their own, unless they are named or asked for with --all.

    Where only tests with an Airflow of their own are asked for, leave out the folders that have none: most of all.
    """
    if collection_path in WITHOUT_AIRFLOW and config.getoption("markexpr") == WITH_AIRFLOW:
        return True
    if collection_path != TESTS / "clients" or os.environ.get("TEST_CLIENTS"):
        return None
    named = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    return None if any(path.is_relative_to(collection_path) for path in named) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have no test be where nobody would find it."""
    inside = [item for item in items if any(item.path.is_relative_to(folder) for folder in WITHOUT_AIRFLOW)]
    marked = [item.nodeid for item in inside for name in ("e2e", "chaos") if item.get_closest_marker(name)]
    if marked:
        raise pytest.UsageError(f"tests with an Airflow of their own belong into other folders: {marked}")


def pytest_collection_finish() -> None:
    """Have no collection of garbage go through the tests themselves and what they have imported."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--more-examples",
        type=int,
        default=1,
        help="how many times as many examples of interrupted submissions to try; above 1 all examples are random",
    )


@pytest.fixture(scope="session", autouse=True)
def quick_clients() -> Iterator[None]:
    """Let all sessions and clients of the tests share what each would read and work out again."""
    with pytest.MonkeyPatch.context() as patch:
        make_clients_quickly(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def stacks_without_source() -> Iterator[None]:
    """Spare the Amazon provider the source of the whole stack at each client, a quarter of these tests' time.

    It only wants to know who calls it.
    """

    def stack(context: int = 1) -> list[inspect.FrameInfo]:
        frames = (frame for frame, _ in traceback.walk_stack(sys._getframe(1)))
        return [
            inspect.FrameInfo(frame, frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, None, None)
            for frame in frames
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspect, "stack", stack)
        yield


@pytest.fixture(autouse=True)
def own_secret_masks() -> Iterator[None]:
    """Hide in logs what a task of its own process would, and nothing of the tests before."""
    with masks_of_one_task():
        yield


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a call that failed made again at once, as often as ever, by the SDKs and by the watchers' client."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda _backoff, _context: 0.0)
    monkeypatch.setattr(client, "_BACKOFF", Backoff(0.001, 0.001))


@pytest.fixture
def call_clock() -> CallClock:
    """A clock for a server on which jobs last for so many calls; it has to be told which server to follow."""
    return CallClock()


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Return what was logged since it was last asked for; Airflow 3 writes it to the standard output."""
    caplog.set_level(logging.INFO)
    return lambda: unwrapped(capsys.readouterr().out + caplog.text)


@pytest.fixture
def server() -> Iterator[LocalOmics]:
    """A server with simulated runs that end within about 0.1 s."""
    with LocalOmics(executor="simulated", timings=Timings.fast(), quotas=Quotas.wide()) as started:
        yield started


@pytest.fixture(autouse=True)
def no_account_left() -> Iterator[None]:
    """Leave no account behind that writes into the buckets of the next tests."""
    yield
    close_accounts()


@pytest.fixture
def omics(server: LocalOmics) -> Any:
    """A boto3 client of the server."""
    return server.client("omics")


@pytest.fixture
def make_workflow(omics: Any) -> Callable[..., str]:
    """Make a WDL workflow without a parameter template and return its id."""

    def make(**settings: Any) -> str:
        request = {"name": "workflow", "engine": "WDL", "definitionZip": wdl_zip(), **settings}
        workflow_id: str = omics.create_workflow(**request)["id"]
        await_status(lambda: omics.get_workflow(id=workflow_id), "ACTIVE")
        return workflow_id

    return make


@pytest.fixture
def start_run(omics: Any, make_workflow: Callable[..., str]) -> Callable[..., dict[str, Any]]:
    """Start a run with what is required and return the answer."""
    made: list[str] = []

    def start(**settings: Any) -> dict[str, Any]:
        if not made and not settings.keys() & {"workflowId", "runId"}:
            made.append(make_workflow())
        request = {"roleArn": ROLE, "outputUri": "s3://results/runs", **settings}
        if "runId" not in request:
            request.setdefault("workflowId", made[0] if made else None)
        answer: dict[str, Any] = omics.start_run(**request)
        return answer

    return start
