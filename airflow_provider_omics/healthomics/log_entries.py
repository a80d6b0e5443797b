"""Entries of a task's log in lines that Airflow's page shows whole."""

from __future__ import annotations

from airflow_provider_omics.healthomics.exceptions import message_of
from airflow_provider_omics.healthomics.wrapping import LOG_LIMIT, wrap


def entry(text: str, *args: object) -> str:
    """Return an entry of several sentences, or with an error in it, in short lines.

    :param text: the entry, with a ``%s`` for each of ``args`` if there are any.
    """
    told = (message_of(arg) if isinstance(arg, BaseException) else arg for arg in args)
    return wrap(text % tuple(told) if args else text, first=LOG_LIMIT)
