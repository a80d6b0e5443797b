"""Sessions and clients of any service over an ``aws`` connection; the asynchronous ones hold up no event loop."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
from botocore.client import BaseClient

from airflow_provider_omics.hooks.credentials import renew_in_time
from airflow_provider_omics.hooks.timestamps import read_timestamps_fast

ClientT = TypeVar("ClientT", bound=BaseClient)


class SessionHook(AwsGenericHook[ClientT]):
    """Hook of a service, named by ``client_type``, that may be used on the event loop of a triggerer."""

    def get_session(self, region_name: str | None = None, deferrable: bool = False) -> Any:
        """Return the boto3 session, or the aiobotocore session, that clients are made from."""
        session: Any = super().get_session(region_name, deferrable)
        read_timestamps_fast(session)
        renew_in_time(session, in_thread=deferrable)
        return session

    async def open_async_client(self) -> Any:
        """Make an aiobotocore client and enter it, without blocking the event loop.

        Has to be awaited on a loop that Airflow knows, in a triggerer its own: that is where it answers when the
        connection is asked for.

        :return: the client; leaving it (``__aexit__``) closes its connections.
        """
        creating = await self.make_async_client()
        # Loading the service's model takes longer than an event loop may be kept, and needs no loop in particular.
        return await asyncio.to_thread(asyncio.run, _enter(creating))

    async def make_async_client(self) -> AbstractAsyncContextManager[Any]:
        """Return an aiobotocore client to enter."""
        # Not asyncio.to_thread: the triggerer answers a look-up of a connection only where asgiref knows its way back.
        client: AbstractAsyncContextManager[Any] = await self.get_async_conn()  # type: ignore[no-untyped-call]
        return client


async def _enter(client: AbstractAsyncContextManager[Any]) -> Any:
    return await client.__aenter__()
