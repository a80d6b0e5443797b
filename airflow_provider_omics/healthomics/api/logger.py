"""Entries of a task's log in lines that Airflow's page shows whole."""

from __future__ import annotations

from typing import Any, Protocol

from airflow_provider_omics.healthomics.api.errors import message_of
from airflow_provider_omics.healthomics.api.wrapping import LOG_LIMIT, wrap


def entry(text: str, *args: object) -> str:
    """Return an entry of several sentences, or with an error in it, in short lines.

    :param text: the entry, with a ``%s`` for each of ``args`` if there are any.
    """
    shown = (message_of(arg) if isinstance(arg, BaseException) else arg for arg in args)
    return wrap(text % tuple(shown) if args else text, first=LOG_LIMIT)


class Log(Protocol):
    """What is asked of a logger; Airflow's is not always the standard library's."""

    def info(self, event: str, *args: Any) -> Any:
        """Tell."""

    def warning(self, event: str, *args: Any) -> Any:
        """Tell loudly."""

    def error(self, event: str, *args: Any, exc_info: BaseException | None = None) -> Any:
        """Tell that somebody has to act."""

    def exception(self, event: str, *args: Any) -> Any:
        """Tell, with the traceback of what was just caught."""
