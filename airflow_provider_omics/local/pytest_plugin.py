"""The pytest fixture that gives a test its own local HealthOmics server.

pytest finds it through the package's entry point. In a project's own tests::

    def test_my_dag(omics_local):
        workflow_id = omics_local.client("omics").create_workflow(...)["id"]
        ...

While the test runs, every AWS client of the process and of its children talks to the server, and so does Airflow's
connection ``aws_default``. Runs are simulated and end within about 0.1 s; a test that wants other timings, outcomes
or the CWL executor defines the fixture ``omics_local_settings`` to return what
:class:`~airflow_provider_omics.local.server.LocalOmics` is to be made with.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_provider_omics.local.server import LocalOmics

# Settings of the user's own account that would win over the server's, or that name a profile which is not there.
_OTHER_ACCOUNT = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_REGION",
)


@pytest.fixture
def omics_local_settings() -> dict[str, Any]:
    """Return the keyword arguments of ``LocalOmics`` for the fixture ``omics_local``; override it to change them."""
    from airflow_provider_omics.local import Quotas, Timings

    return {"executor": "simulated", "timings": Timings.fast(), "quotas": Quotas.wide()}


@pytest.fixture
def omics_local(monkeypatch: pytest.MonkeyPatch, omics_local_settings: dict[str, Any]) -> Iterator[LocalOmics]:
    """Start a local HealthOmics server on a free port and point AWS clients and Airflow at it."""
    from airflow_provider_omics.local import LocalOmics

    with LocalOmics(**omics_local_settings) as server:
        for name in (*_OTHER_ACCOUNT, *(name for name in os.environ if name.startswith("AWS_ENDPOINT_URL"))):
            monkeypatch.delenv(name, raising=False)
        # A proxy of the machine would be asked for loopback too.
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.airflow_connection_uri())
        yield server
