"""Tells those who keep something back that moto's S3 or CloudWatch Logs are about to be read."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any, Protocol


class ReadListener(Protocol):
    """Writes what it has kept back, once somebody is about to see whether it is there; called from any thread."""

    def before_objects(self, bucket: str, key: str, *, below: bool) -> None:
        """Write the object of this key, or with ``below`` all whose keys begin with it."""

    def before_streams(self, account: str, region: str, name: str) -> None:
        """Write the log streams of one account and region whose names begin like this."""


_lock = threading.Lock()
_listeners: tuple[ReadListener, ...] = ()
_installed = False


def add_listener(listener: ReadListener) -> None:
    """Have a listener told of every read from now on."""
    global _listeners
    with _lock:
        _listeners = (*_listeners, listener)


def remove_listener(listener: ReadListener) -> None:
    """Have a listener told no more."""
    global _listeners
    with _lock:
        _listeners = tuple(other for other in _listeners if other is not listener)


def watch_reads() -> None:
    """Begin to watch moto, where there is a listener and it was not done yet.

    moto has no hooks. Its HTTP front and this package's own calls meet in the methods of its backends, whichever way
    a client has addressed a bucket or signed a request, so these methods are wrapped, once for the whole process.
    """
    global _installed
    if _installed or not _listeners:
        return
    with _lock:
        if not _installed:
            from moto.logs.models import LogsBackend
            from moto.s3.models import S3Backend

            for name in ("get_object", "list_objects", "list_object_versions", "delete_object", "delete_bucket"):
                _wrap(S3Backend, name, _objects)
            for name in (
                "get_log_events",
                "filter_log_events",
                "describe_log_streams",
                "describe_log_groups",
                "delete_log_stream",
                "delete_log_group",
                "start_query",
                "create_export_task",
            ):
                _wrap(LogsBackend, name, _streams)
            _installed = True


def announce_objects(bucket: str, key: str, *, below: bool) -> None:
    """Tell every listener that an object, or with ``below`` all whose keys begin like this, are about to be read."""
    for listener in _listeners:
        listener.before_objects(bucket, key, below=below)


def announce_streams(account: str, region: str, name: str) -> None:
    """Tell every listener that the log streams whose names begin like this are about to be read."""
    for listener in _listeners:
        listener.before_streams(account, region, name)


def _wrap(backend: type, name: str, tell: Callable[[Any, dict[str, Any]], None]) -> None:
    method = getattr(backend, name)
    signature = inspect.signature(method)

    @functools.wraps(method)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _listeners:
            # moto's pages take arguments that the method below them does not know.
            known = {key: value for key, value in kwargs.items() if key in signature.parameters}
            tell(self, signature.bind_partial(self, *args, **known).arguments)
        return method(self, *args, **kwargs)

    setattr(backend, name, watched)


def _objects(_backend: Any, arguments: dict[str, Any]) -> None:
    bucket: str = arguments["bucket_name"] if "bucket_name" in arguments else arguments["bucket"].name
    if "key_name" in arguments:
        announce_objects(bucket, arguments["key_name"], below=False)
    else:
        announce_objects(bucket, arguments.get("prefix") or "", below=True)


def _streams(backend: Any, arguments: dict[str, Any]) -> None:
    name = arguments.get("log_stream_name") or arguments.get("log_stream_name_prefix") or ""
    for each in arguments.get("log_stream_names") or [name]:
        announce_streams(backend.account_id, backend.region_name, each)
