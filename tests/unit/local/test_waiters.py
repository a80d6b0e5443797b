"""What waiters were shown is remembered for as long as it is of use."""

from __future__ import annotations

from airflow_provider_omics.local.http import waiters
from airflow_provider_omics.local.http.waiters import Waiters

AGENT = "Boto3/1.40 md/Botocore#1.40 m/E,B,Z cfg/retry-mode#legacy"


def test_the_runs_that_waiters_have_asked_for_last_are_remembered_and_no_others() -> None:
    shown = Waiters()
    ended = [{"uuid": str(n), "status": "COMPLETED"} for n in range(waiters._MOST_SHOWN + 1)]
    assert {shown.show(AGENT, answer)["status"] for answer in ended} == {"RUNNING"}
    assert len(shown._shown) == waiters._MOST_SHOWN
    assert shown.show(AGENT, ended[-1])["status"] == "COMPLETED"
