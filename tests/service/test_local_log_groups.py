"""The log groups of the local server can be listed by pages once it has runs, as CloudWatch Logs lists them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_omics.local import LocalOmics


def test_log_groups_are_listed_by_pages_once_there_are_runs(
    server: LocalOmics, start_run: Callable[..., dict[str, Any]]
) -> None:
    start_run()
    answer = server.client("logs").describe_log_groups(limit=5, logGroupNamePrefix="/aws/omics")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
