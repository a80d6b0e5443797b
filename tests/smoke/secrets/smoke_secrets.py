"""A secrets backend that keeps connections in a file."""

from __future__ import annotations

import json
from pathlib import Path

from airflow.secrets import BaseSecretsBackend
from asgiref.sync import async_to_sync
from smoke_rows import connection


class FileBackend(BaseSecretsBackend):
    """Reads connections from a file, one of them as backends do whose client is asynchronous.

    :param path: a JSON object of connection ids and URIs.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def get_conn_value(self, conn_id: str, *_: object, **__: object) -> str | None:
        """Return a connection's URI; the awkward one by a loop of its own, which no thread with a loop can have."""
        if conn_id == connection("awkward_backend"):
            return async_to_sync(self._look_up)(conn_id)
        return self._read(conn_id)

    async def _look_up(self, conn_id: str) -> str | None:
        return self._read(conn_id)

    def _read(self, conn_id: str) -> str | None:
        uri: str | None = json.loads(self._path.read_text()).get(conn_id)
        return uri
