"""Credentials of an assumed role: when they are renewed, and how without holding up an event loop."""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from typing import Any

from botocore.utils import parse_timestamp

# botocore renews credentials this long before they expire, whenever they are used; the second it waits for.
_ADVISORY, _MANDATORY = 900.0, 600.0
# The share of an hour that these are: a session as short as them would be renewed at each call.
_ADVISORY_SHARE, _MANDATORY_SHARE = _ADVISORY / 3600, _MANDATORY / 3600


def renew_in_time(session: Any, *, in_thread: bool = False) -> None:
    """Let a session that assumes a role renew its credentials in the last quarter of their life, if that is short.

    Sessions with credentials of another kind are left alone.

    :param session: a boto3 or aiobotocore session.
    :param in_thread: whether STS is called in a thread. The Amazon provider gives aiobotocore a function that blocks,
        which would stop every trigger for as long as STS takes to answer.
    """
    # None of these has a public name; without them there is nothing to do.
    credentials = getattr(getattr(session, "_session", session), "_credentials", None)
    refresh = getattr(credentials, "_refresh_using", None)
    if credentials is None or refresh is None:
        return

    def renew() -> Any:
        return _fitted(credentials, refresh())

    async def renew_aside() -> Any:
        fetched = await asyncio.to_thread(refresh)
        return _fitted(credentials, await fetched if isawaitable(fetched) else fetched)

    credentials._refresh_using = renew_aside if in_thread else renew
    _fit(credentials, getattr(credentials, "_expiry_time", None))


def _fitted(credentials: Any, fetched: Any) -> Any:
    _fit(credentials, parse_timestamp(fetched["expiry_time"]))
    return fetched


def _fit(credentials: Any, expiry: Any) -> None:
    # Credentials that are fetched at the first call have no end before.
    if expiry is None:
        return
    life = max(0.0, (expiry - credentials._time_fetcher()).total_seconds())
    credentials._advisory_refresh_timeout = min(_ADVISORY, life * _ADVISORY_SHARE)
    credentials._mandatory_refresh_timeout = min(_MANDATORY, life * _MANDATORY_SHARE)
