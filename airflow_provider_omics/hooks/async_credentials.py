"""Credentials of asynchronous clients that are renewed without holding up the event loop."""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from typing import Any


def refresh_in_thread(session: Any) -> None:
    """Let a session that assumes a role call STS in a thread when its credentials are about to expire.

    The Amazon provider gives aiobotocore a function that blocks, which would stop every trigger for as long as STS
    takes to answer. Sessions with credentials of another kind are left alone.

    :param session: an aiobotocore session.
    """
    # Neither has a public name; without them there is nothing to do.
    credentials = getattr(session, "_credentials", None)
    refresh = getattr(credentials, "_refresh_using", None)
    if refresh is None:
        return

    async def refresh_aside() -> Any:
        fetched = await asyncio.to_thread(refresh)
        return await fetched if isawaitable(fetched) else fetched

    credentials._refresh_using = refresh_aside  # type: ignore[union-attr]
