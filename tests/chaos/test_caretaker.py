"""Whoever runs Airflow in the trials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow_cluster import AirflowCluster
from airflow_database import AirflowDatabase
from airflow_versions import Component
from caretaker import Caretaker
from child_processes import ChildProcess, ProcessError, isolated_environment, wait_for

PROGRAM = "if [ -e started ]; then echo up; exec sleep 600; fi; touch started; echo no database; exit 1"
TIMEOUT = 300


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[AirflowCluster]:
    """An Airflow that is but a scheduler, which ends by itself the first time."""
    cluster = AirflowCluster(tmp_path, tmp_path)
    cluster.database = AirflowDatabase("postgresql+psycopg2://nobody.invalid/airflow")
    cluster.components = {"scheduler": Component(["scheduler"], ready="up")}
    environment = isolated_environment(Path("/bin"))
    program = f"cd '{tmp_path}'; {PROGRAM}"
    cluster.processes["scheduler"] = ChildProcess("scheduler", ["sh", "-c", program], environment, tmp_path / "log")
    cluster.processes["scheduler"].start()
    yield cluster
    cluster.processes["scheduler"].kill()


def test_what_goes_wrong_in_a_thread_ends_the_trials(tmp_path: Path) -> None:
    caretaker = Caretaker(AirflowCluster(tmp_path, tmp_path))
    with caretaker.errors_noted():
        raise PermissionError("not ours")
    with pytest.raises(PermissionError, match="not ours"):
        caretaker.revive()
    with pytest.raises(PermissionError, match="not ours"):
        caretaker.join()


@pytest.mark.parametrize("is_done", [True, False])
def test_what_needs_all_of_airflow_is_done_again_once_what_ended_by_itself_is_up(
    cluster: AirflowCluster, is_done: bool
) -> None:
    caretaker, asked = Caretaker(cluster), 0

    def ask() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            cluster.wait_for(lambda: False, "the scheduler to end", TIMEOUT)

    caretaker.persist(ask, lambda: is_done)

    assert asked == (1 if is_done else 2)
    assert [said.partition(";")[0] for said in caretaker.revived] == ["scheduler ended with 1"]
    cluster.check()


def test_what_fails_while_all_of_airflow_is_up_is_raised(cluster: AirflowCluster) -> None:
    caretaker = Caretaker(cluster)
    caretaker.persist(lambda: cluster.wait_for(lambda: bool(caretaker.revived), "its end", TIMEOUT), lambda: False)

    with pytest.raises(ProcessError, match="waited 0 s for something else"):
        caretaker.persist(lambda: cluster.wait_for(lambda: False, "something else", timeout=0), lambda: False)


def test_a_database_that_does_not_answer_is_waited_for_though_the_scheduler_has_ended(cluster: AirflowCluster) -> None:
    scheduler = cluster.processes["scheduler"]

    def has_ended() -> bool:
        try:
            scheduler.check()
        except ProcessError:
            return True
        return False

    wait_for(has_ended, "its end", TIMEOUT)

    cluster.check_database()
    with pytest.raises(ProcessError, match="scheduler ended with 1"):
        cluster.check()
