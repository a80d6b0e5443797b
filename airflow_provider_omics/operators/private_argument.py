"""Arguments of operators that are kept from Airflow's OpenLineage provider, which puts them into events as they are."""

from __future__ import annotations

import sys
from typing import Any

_OPENLINEAGE = "airflow.providers.openlineage."


class PrivateArgument:
    """Argument that reads as None for Airflow's OpenLineage provider, and as what it was set to for all others.

    The run facet ``airflow`` of every event lists the attribute ``parameters`` of whatever operator has one, or with
    ``include_full_task_info`` all attributes, and the redaction of events does not reach what is in that facet.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        # It reads them in a process, in a thread or in the task itself, before and after the run, and with its own
        # hooks for operators switched off, too: who reads is all that these have in common.
        if instance is None or sys._getframe(1).f_globals.get("__name__", "").startswith(_OPENLINEAGE):
            return None
        kept = instance.__dict__.get(self._name)
        return None if kept is None else kept.value

    def __set__(self, instance: Any, value: Any) -> None:
        # All attributes are read past __get__; of what is no value of JSON an event has the class alone.
        instance.__dict__[self._name] = value if isinstance(value, _Kept) else _Kept(value)


class _Kept:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value
