from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from run_lab import HandDrivenExecutor, Lab

from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.assumptions import Assumptions
from airflow_provider_omics.local.aws import Aws
from airflow_provider_omics.local.clock import ManualClock
from airflow_provider_omics.local.http.moto import ACCOUNT, reset_moto
from airflow_provider_omics.local.quotas import Quotas
from airflow_provider_omics.local.timings import Timings


@pytest.fixture
def make_lab() -> Iterator[Callable[..., Lab]]:
    """Make an account's state: seconds in PENDING 1, STARTING 2, STOPPING 3."""

    made: list[AccountState] = []

    def make(
        assumptions: Assumptions | None = None,
        quotas: Quotas | None = None,
        executor: Callable[[AccountState], Any] = HandDrivenExecutor,
        timings: Timings | None = None,
    ) -> Lab:
        clock = ManualClock()
        state = AccountState(
            region="us-east-1",
            account=ACCOUNT,
            clock=clock,
            assumptions=assumptions or Assumptions(),
            make_executor=executor,
            aws=Aws("us-east-1", ACCOUNT),
            timings=timings or Timings(pending=1, starting=2, stopping=3),
            quotas=quotas or Quotas(),
        )
        made.append(state)
        return Lab(state, clock)

    yield make
    for state in made:
        state.unread.close()
    reset_moto()


@pytest.fixture
def lab(make_lab: Callable[..., Lab]) -> Lab:
    return make_lab()
