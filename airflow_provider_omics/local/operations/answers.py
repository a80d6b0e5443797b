"""What the answers of several operations have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.operations.registry import Answer
from airflow_provider_omics.local.pagination import Key, paginate

Item = TypeVar("Item")


def present(**members: Any) -> Answer:
    """Return the members of an answer that have a value; the service leaves the others out."""
    return {name: value for name, value in members.items() if value is not None}


def page_answer(
    state: AccountState,
    request: Mapping[str, Any],
    items: Sequence[Item],
    *,
    key: Key[Item],
    describe: Callable[[Item], Answer],
    keep: Callable[[Item], bool] | None = None,
) -> Answer:
    """Answer a list operation whose result key is ``items``.

    :param request: its ``startingToken`` and ``maxResults`` (or ``maxItems``) are used.
    :param items: the whole list in a stable order, unfiltered.
    :param key: what identifies an item for ever.
    :param describe: turns one item into its list entry.
    :param keep: the filter; None keeps all.
    :raises ValidationException: the token is not one of an earlier answer.
    """
    limit = request.get("maxResults") or request.get("maxItems") or state.assumptions.list_page_size
    page, token = paginate(items, key, request.get("startingToken"), limit, keep)
    return present(items=[describe(item) for item in page], nextToken=token)
