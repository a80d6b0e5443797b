"""What becomes of a call at which to strike, when there is nobody to strike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from airflow_cluster import AirflowCluster
from botocore.config import Config
from caretaker import Caretaker
from gates import Gate
from killing import Killer, Watch
from plan import Trial
from strikes import Moment, Strike, Victim

from airflow_provider_omics.local import LocalOmics

STRIKE = Strike(("ListRuns",), Moment.BEFORE, Victim.ONE_TRIGGERER, caller=None)
TRIAL = Trial(1, "one of two triggerers killed", "run", "deferred", "plain", "first_answer", (STRIKE,), 1.0)


def client_of(trial: Trial, server: LocalOmics) -> Any:
    """A client of the server whose calls are a trial's."""
    session = boto3.Session(trial.connection, "local", region_name="us-east-1")
    return session.client("omics", endpoint_url=server.endpoint_url, config=Config(inject_host_prefix=False))


def test_a_call_of_a_process_that_is_not_airflows_is_not_held_and_not_waited_for(tmp_path: Path) -> None:
    gate = Gate(2, pytest.fail, pytest.fail)
    with LocalOmics(executor="simulated") as server:
        killer = Killer(server, Caretaker(AirflowCluster(tmp_path, tmp_path)))
        killer.arm()
        watch = Watch(TRIAL, gate)
        killer.watch(watch)
        assert client_of(TRIAL, server).list_runs()["items"] == []
    assert (gate.expected, gate.arrived, watch.kills) == (1, 0, [])
