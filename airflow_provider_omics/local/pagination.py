"""Pages of a list whose members may come, go and change between two calls."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TypeVar, overload

from airflow_provider_omics.local.errors import ValidationException

Item = TypeVar("Item")
Key = Callable[[Item], str | int]

_RISING, _FALLING, _TEXT = "r", "f", "t"
# What a token names is forgotten with the process, and so may be what proves that the process made it.
_SECRET = secrets.token_bytes(16)


class Reversed(Sequence[Item]):
    """A sequence from its end to its start, without a copy."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        if isinstance(index, slice):
            return [self._items[-1 - at] for at in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._items[-1 - index]


def paginate(
    items: Sequence[Item],
    key: Key[Item],
    token: str | None,
    limit: int,
    keep: Callable[[Item], bool] | None = None,
) -> tuple[list[Item], str | None]:
    """Cut one page out of a list that is in a stable order.

    The token remembers a place in the unfiltered list, so that an item which begins or ceases to match
    between two pages moves no other. What matches all the time is on exactly one page; nothing is on two.

    :param items: the whole list, unfiltered, as it is now.
    :param key: what identifies an item for ever. Whole numbers must rise or fall along the list; then items
        may vanish at any time. Texts may come in any order; then the last item of a page should stay.
    :param token: what the page before answered as ``nextToken``; None for the first page.
    :param limit: items on a page, 1 to 100.
    :param keep: the filter; None keeps all.
    :return: the page, and the token of the next one or None when nothing more matches.
    :raises ValidationException: the token is not one of ours.
    """
    page: list[Item] = []
    last = start = _resume_at(items, key, token) if token is not None else 0
    for at in range(start, len(items)):
        if keep is not None and not keep(items[at]):
            continue
        if len(page) == limit:
            return page, _encode(last, _mark(key(items[last]), falls=_falls(items, key, last)))
        page.append(items[at])
        last = at
    return page, None


def _resume_at(items: Sequence[Item], key: Key[Item], token: str) -> int:
    position, mark = _decode(token)
    if position < len(items) and mark[1:] == _mark(key(items[position]), falls=False)[1:]:
        return position + 1
    if mark[0] in (_RISING, _FALLING):
        sign = -1 if mark[0] == _FALLING else 1
        return bisect_right(items, sign * int(mark[1:]), key=lambda item: sign * int(key(item)))
    for index, item in enumerate(items):
        if _mark(key(item), falls=False) == mark:
            return index + 1
    return min(position, len(items))


def _falls(items: Sequence[Item], key: Key[Item], at: int) -> bool:
    this, following = key(items[at]), key(items[at + 1])
    return isinstance(this, int) and isinstance(following, int) and following < this


def _mark(key: str | int, *, falls: bool) -> str:
    if isinstance(key, int):
        return f"{_FALLING if falls else _RISING}{key}"
    # A token has at most 128 characters, and a text key alone may have as many.
    return _TEXT + hashlib.blake2b(key.encode(), digest_size=12).hexdigest()


def _encode(position: int, mark: str) -> str:
    text = f"{position}.{mark}"
    return base64.urlsafe_b64encode(f"{text}.{_signature(text)}".encode()).decode()


def _decode(token: str) -> tuple[int, str]:
    try:
        text, _, signature = base64.urlsafe_b64decode(token.encode()).decode().rpartition(".")
    except (binascii.Error, ValueError) as error:
        raise _unknown_token() from error
    if not hmac.compare_digest(signature.encode(), _signature(text).encode()):
        raise _unknown_token()
    position, _, mark = text.partition(".")
    return int(position), mark


def _signature(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8, key=_SECRET).hexdigest()


def _unknown_token() -> ValidationException:
    return ValidationException("startingToken is not a token of an earlier answer")
