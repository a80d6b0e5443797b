"""Hooks for the connections of tasks, shared by all who look at their cohorts."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from airflow_provider_omics.healthomics.api import calls
from airflow_provider_omics.healthomics.api.calls import Request, Requests, T
from airflow_provider_omics.healthomics.api.statuses import BatchStatus, classify
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.hooks.parameters import ConnectionParameters
from airflow_provider_omics.page.shared_calls import SharedCalls

REFRESH_SECONDS = 10.0
"""How often HealthOmics is asked for one batch at most, however many look at it."""

_ENDED_SECONDS = 60.0
_LIST_SECONDS = 30.0
_HOOK_SECONDS = 300.0
# A web server cannot wait as a task can.
_PATIENCE: dict[str, Any] = {
    "connect_timeout": 5,
    "read_timeout": 15,
    "retries": {"mode": "standard", "total_max_attempts": 2},
}


@dataclass(frozen=True)
class Account:
    """What is asked through one connection.

    :param key: of the connection and Region.
    """

    key: Hashable
    hook: OmicsHook
    shared: SharedCalls

    def send(self, requests: Requests[T]) -> T:
        """Make requests, of which those for the same batch, or list, are made once in a while for all who ask.

        Errors are botocore's.
        """
        return calls.run_with(self._answer, requests)

    def _answer(self, request: Request) -> Any:
        def call() -> Any:
            return calls.send(self.hook.conn, request)

        if request.operation not in ("GetBatch", "ListBatch"):
            return call()
        key = (self.key, request.operation, tuple(sorted(request.members.items())))
        return self.shared.call(key, call, _lifetime if request.operation == "GetBatch" else lambda _: _LIST_SECONDS)

    @property
    def place(self) -> tuple[str, str] | None:
        """Region and partition of the AWS console; None where the endpoint is not AWS's."""
        return (self.hook.conn_region_name, self.hook.conn_partition) if self.hook.has_console else None


class Accounts:
    """Accounts by the connections of tasks."""

    def __init__(self, shared: SharedCalls) -> None:
        self._shared = shared

    def get(self, connection: ConnectionParameters) -> Account:
        """Return the account of a connection, with the connection as it was a few minutes ago or is now."""
        key = (connection.aws_conn_id, connection.region_name, str(connection.verify))

        def make() -> Account:
            hook = OmicsHook(
                aws_conn_id=connection.aws_conn_id,
                region_name=connection.region_name,
                verify=connection.verify,
                config=_PATIENCE,
            )
            _ = hook.conn  # made once, and not by all who ask for it at the same time
            return Account(key, hook, self._shared)

        return self._shared.call(
            ("account", *key), make, lambda made: REFRESH_SECONDS if made is None else _HOOK_SECONDS
        )


def _lifetime(answer: Any) -> float:
    if answer is not None and classify(BatchStatus, answer.get("status")).is_final:
        return _ENDED_SECONDS
    return REFRESH_SECONDS
