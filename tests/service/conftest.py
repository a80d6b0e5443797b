"""What tests of operators, sensors and triggers share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from aws_alias import alias_of_aws
from cohorts import CohortLab

from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.account_state import AccountState


@pytest.fixture
def lab(server: LocalOmics, make_workflow: Callable[..., str]) -> CohortLab:
    """Cohorts on the server that the module's tests have."""
    return CohortLab(server, make_workflow())


@pytest.fixture
def account(server: LocalOmics) -> AccountState:
    """What the server knows of the Region of the tests."""
    return server.account("us-east-1")


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not found counts as deleted at once."""
    for name in ("CONFIRM_PAUSES", "LATE_PAUSES"):
        monkeypatch.setattr(f"airflow_provider_omics.healthomics.api.creation.{name}", (0.0, 0.01))


@pytest.fixture
def aws(server: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalOmics]:
    """The same server under a name of AWS."""
    with alias_of_aws(server) as extra:
        for name in ("AWS_ENDPOINT_URL", "NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        login = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(login))
        yield server
