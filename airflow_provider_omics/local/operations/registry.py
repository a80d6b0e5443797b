"""Which function answers which operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.operations.names import SERVED_OPERATIONS

Answer = dict[str, Any]
Handler = Callable[[AccountState, dict[str, Any]], Answer]

HANDLERS: dict[str, Handler] = {}

_OPERATION_MODULES = (
    "runs",
    "run_tasks",
    "workflows",
    "workflow_versions",
    "run_groups",
    "run_caches",
    "configurations",
    "tags",
    "batches",
)


def handlers() -> Mapping[str, Handler]:
    """Return the function of every operation that is served."""
    for module in _OPERATION_MODULES:
        import_module(f"airflow_provider_omics.local.operations.{module}")
    return HANDLERS


def operation(name: str) -> Callable[[Handler], Handler]:
    """Register the function that answers an operation.

    The function gets the account's state, whose lock is held, and the request's members by their API names, already
    checked against botocore's input shape. It returns the answer's members by their API names, with datetimes as
    datetimes, or raises a :class:`~airflow_provider_omics.local.errors.ServiceError`.
    """

    if name not in SERVED_OPERATIONS:
        raise ValueError(f"{name} is not among the operations of operations/names.py")

    def register(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return register
