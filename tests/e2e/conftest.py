"""One Airflow and two local servers, shared by the tests that need real processes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from airflow_cluster import AirflowCluster
from event_queues import EventQueueOnServer
from examples import example_files

from airflow_provider_omics.compat import HAS_COHORT_PAGE
from airflow_provider_omics.local import LocalOmics, ManualClock, Quotas, Timings

REPOSITORY = Path(__file__).parents[2]


def hurry(example: Path, long: str, short: str) -> None:
    """Have an example wait no day, where the installed Airflow has it at all."""
    if example.exists():
        text = example.read_text()
        assert long in text
        example.write_text(text.replace(long, short))


@pytest.fixture(scope="package")
def cwl_server() -> Iterator[LocalOmics]:
    """A server that really runs CWL workflows; the connection ``aws_default`` leads to it."""
    with LocalOmics(executor="auto") as server:
        yield server


@pytest.fixture(scope="package")
def still_server() -> Iterator[LocalOmics]:
    """A server whose time stands still until a test moves it; the connection ``omics_by_hand`` leads to it."""
    with LocalOmics(executor="simulated", clock=ManualClock(datetime.now(UTC))) as server:
        yield server


@pytest.fixture(scope="package")
def quick_server() -> Iterator[LocalOmics]:
    """A server that ends runs at once; a connection that a test adds leads to it."""
    with LocalOmics(executor="simulated", timings=Timings.fast(), quotas=Quotas.wide()) as server:
        yield server


@pytest.fixture(scope="package")
def event_queue(cwl_server: LocalOmics, quick_server: LocalOmics) -> EventQueueOnServer:
    """The queue that the example of events reads; no rule fills it, so that other tests start no DAG runs.

    It comes after all servers of the process, which have one SQS, and a server that starts or stops empties that.
    """
    return EventQueueOnServer(cwl_server, name="healthomics-events", **{"detail-type": ["Run Status Change"]})


@pytest.fixture(scope="package")
def cluster(
    cwl_server: LocalOmics,
    still_server: LocalOmics,
    event_queue: EventQueueOnServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AirflowCluster]:
    """A running Airflow that has the example DAGs and those in ``dags``."""
    dags = tmp_path_factory.mktemp("dags")
    for source in (*example_files(), *REPOSITORY.glob("tests/e2e/dags/*.py")):
        shutil.copy(source, dags)
    alerts = dags / "example_omics_alerts.py"
    hurry(alerts, "interval=timedelta(hours=24)", "interval=timedelta(seconds=0)")
    hurry(alerts, "deferrable=True,", "deferrable=True, waiter_delay=1,")
    hurry(alerts, "retries=3,", "retries=0,")
    hurry(dags / "example_omics_cost_approval.py", "waiter_delay=5,", "waiter_delay=1,")
    environment = {
        "AIRFLOW_CONN_AWS_DEFAULT": cwl_server.airflow_connection_uri(),
        "AIRFLOW_CONN_OMICS_BY_HAND": still_server.airflow_connection_uri(),
        "OMICS_EVENTS_QUEUE": event_queue.url,
    }
    if HAS_COHORT_PAGE:
        environment |= {
            "AIRFLOW__CORE__AUTH_MANAGER": "per_dag_auth.PerDagAuthManager",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,vera:viewer,ulf:viewer",
            "PYTHONPATH": str(REPOSITORY / "tests" / "e2e" / "auth"),
        }
    with AirflowCluster(tmp_path_factory.mktemp("airflow home"), dags, environment) as airflow:
        yield airflow
