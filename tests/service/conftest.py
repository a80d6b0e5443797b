"""What tests of operators, sensors and triggers share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from aws_alias import alias_of_aws
from cohorts import CohortLab

from airflow_provider_omics.local import LocalOmics


@pytest.fixture
def lab(server: LocalOmics, make_workflow: Callable[..., str]) -> CohortLab:
    """Cohorts on the server that the module's tests have."""
    return CohortLab(server, make_workflow())


@pytest.fixture
def aws(server: LocalOmics, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalOmics]:
    """The same server under a name of AWS."""
    with alias_of_aws(server) as extra:
        for name in ("AWS_ENDPOINT_URL", "NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        login = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(login))
        yield server
