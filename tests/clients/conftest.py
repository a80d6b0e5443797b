from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cwl_service import ROLE
from hello_runs import DEFINITIONS, PARAMETERS
from omics_service import await_status
from virtual_environment import ensure

from airflow_provider_omics.local import LocalOmics, Quotas, Timings

REGION = "us-east-1"


@pytest.fixture(scope="session")
def clients() -> Path:
    """The folder of the programs of the environment that the clients are installed in, which the first call makes."""
    return ensure("clients").parent


@pytest.fixture(scope="session")
def server() -> Iterator[LocalOmics]:
    with LocalOmics(executor="auto", timings=Timings.fast(), quotas=Quotas.wide()) as started:
        started.client("s3").create_bucket(Bucket="greetings")
        yield started


@pytest.fixture(scope="session")
def environment(server: LocalOmics) -> dict[str, str]:
    """What a client needs to find the server, and nothing that leads it elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_REGION": REGION}
    return {**kept, **nowhere, "AWS_EC2_METADATA_DISABLED": "true", **server.environment(REGION)}


@pytest.fixture(scope="session", params=["CWL", "WDL"])
def run(request: pytest.FixtureRequest, server: LocalOmics) -> dict[str, Any]:
    """A run that its engine has carried out."""
    omics: Any = server.client("omics")
    definition = DEFINITIONS[request.param]
    workflow_id = omics.create_workflow(name=request.param, engine=request.param, definitionZip=definition)["id"]
    await_status(lambda: omics.get_workflow(id=workflow_id), "ACTIVE")
    started = omics.start_run(
        workflowId=workflow_id,
        roleArn=ROLE,
        outputUri="s3://greetings/runs",
        parameters=PARAMETERS,
        name=f"{request.param} run",
    )
    return await_status(lambda: dict(omics.get_run(id=started["id"])), "COMPLETED")


@pytest.fixture(scope="session")
def call(clients: Path, environment: dict[str, str]) -> Callable[..., str]:
    """Call a program of the clients' environment and return what it prints."""

    def call_program(*command: str) -> str:
        done = subprocess.run(
            [str(clients / command[0]), *command[1:]],
            env=environment,
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
        return done.stdout

    return call_program
