"""Pages of a list whose members may come and go between two calls."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from airflow_provider_omics.local.errors import ValidationException

Item = TypeVar("Item")


def paginate(
    items: Sequence[Item], key: Callable[[Item], str], token: str | None, limit: int
) -> tuple[list[Item], str | None]:
    """Cut one page out of a list that is in a stable order.

    :param items: the whole list, as it is now.
    :param key: what identifies an item for ever.
    :param token: what the page before answered as ``nextToken``; None for the first page.
    :param limit: items on a page, 1 to 100.
    :return: the page, and the token of the next one or None on the last.
    :raises ValidationException: the token is not one of ours.
    """
    start = _resume_at(items, key, token) if token is not None else 0
    page = list(items[start : start + limit])
    end = start + len(page)
    return page, (_encode(end, key(page[-1])) if page and end < len(items) else None)


def _resume_at(items: Sequence[Item], key: Callable[[Item], str], token: str) -> int:
    position, last = _decode(token)
    if 0 < position <= len(items) and key(items[position - 1]) == last:
        return position
    for index, item in enumerate(items):
        if key(item) == last:
            return index + 1
    return min(position, len(items))


def _encode(position: int, last: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([position, last]).encode()).decode()


def _decode(token: str) -> tuple[int, str]:
    try:
        position, last = json.loads(base64.urlsafe_b64decode(token.encode()))
        return int(position), str(last)
    except (binascii.Error, ValueError, TypeError) as error:
        raise ValidationException("startingToken is not a token of an earlier answer") from error
