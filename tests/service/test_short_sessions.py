"""How often STS is asked by a connection that assumes a role for a short time."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.local import LocalOmics

CALLS = 20
# The least and the most that STS allows, and its default.
DURATIONS = pytest.mark.parametrize("seconds", [900, 1200, 3600, 43200])


@pytest.fixture(autouse=True)
def assumed_role(omics_local: LocalOmics, monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """The connection assumes a role for so many seconds."""
    extra = {
        **omics_local.connection_extra(),
        "role_arn": "arn:aws:iam::123456789012:role/airflow",
        "assume_role_kwargs": {"DurationSeconds": seconds},
    }
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))


def sessions() -> int:
    """How often STS has assumed a role."""
    from moto.sts.models import sts_backends

    return len(sts_backends["123456789012"]["aws"].assumed_roles)


def let_pass(credentials: Any, seconds: float) -> None:
    """Let credentials be older than they are."""
    credentials._expiry_time -= timedelta(seconds=seconds)


@DURATIONS
def test_a_hook_asks_once_for_each_session(seconds: int) -> None:
    before = sessions()
    client = OmicsHook().conn
    for _ in range(CALLS):
        client.list_runs()
    assert sessions() == before + 1
    credentials: Any = client._request_signer._credentials
    let_pass(credentials, seconds * 0.7)
    client.list_runs()
    assert sessions() == before + 1
    let_pass(credentials, seconds * 0.3 - 1)
    for _ in range(CALLS):
        client.list_runs()
    assert sessions() == before + 2


@DURATIONS
def test_s3_asks_once_for_each_session(omics_local: LocalOmics, seconds: int) -> None:
    omics_local.client("s3").create_bucket(Bucket="results")
    before = sessions()
    storage = OmicsHook().storage
    storage.put_all_once(((f"s3://results/{n}", b"content") for n in range(CALLS)), "text/plain")
    assert all(storage.exists(f"s3://results/{n}") for n in range(CALLS))
    assert sessions() == before + 1


@DURATIONS
def test_the_client_of_the_triggerer_asks_once_for_each_session(seconds: int) -> None:
    async def work() -> None:
        before = sessions()
        client = (await OmicsHook().open_watching_client()).client
        for _ in range(CALLS):
            await client.list_runs()
        assert sessions() == before + 1
        let_pass(client._request_signer._credentials, seconds - 1)
        for _ in range(CALLS):
            await client.list_runs()
        assert sessions() == before + 2
        await client.close()

    asyncio.run(work())
