"""Whoever runs Airflow in the trials."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow_cluster import AirflowCluster
from caretaker import Caretaker


def test_what_goes_wrong_in_a_thread_ends_the_trials(tmp_path: Path) -> None:
    caretaker = Caretaker(AirflowCluster(tmp_path, tmp_path))
    with caretaker.errors_noted():
        raise PermissionError("not ours")
    with pytest.raises(PermissionError, match="not ours"):
        caretaker.revive()
    with pytest.raises(PermissionError, match="not ours"):
        caretaker.join()
