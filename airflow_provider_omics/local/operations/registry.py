"""Which function answers which operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_omics.local.world import World

Answer = dict[str, Any]
Handler = Callable[[World, dict[str, Any]], Answer]

HANDLERS: dict[str, Handler] = {}


def operation(name: str) -> Callable[[Handler], Handler]:
    """Register the function that answers an operation.

    The function gets the world, whose lock is held, and the request's members by their API names, already checked
    against botocore's input shape. It returns the answer's members by their API names, with datetimes as
    datetimes, or raises a :class:`~airflow_provider_omics.local.errors.ServiceError`.
    """

    def register(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return register
