"""What Airflow hides in logs, for one test as for one task: not that of all tests before it in the same process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

#: Where Airflow's versions have it; some have two.
MODULES = (
    "airflow.utils.log.secrets_masker",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.sdk._shared.secrets_masker.secrets_masker",
    "airflow._shared.secrets_masker.secrets_masker",
)


@contextmanager
def masks_of_one_task() -> Iterator[None]:
    """Forget what is to be hidden since, such as connections to servers that have ended.

    Airflow compiles all of it anew for each connection that it has not seen, longer with every test.
    """
    before = [(masker, set(masker.patterns), masker.replacer) for masker in _maskers()]
    yield
    for masker, patterns, replacer in before:
        masker.patterns, masker.replacer = patterns, replacer


def _maskers() -> Iterator[Any]:
    for module in (sys.modules.get(name) for name in MODULES):
        with suppress(AttributeError, RuntimeError):  # not imported, or there is no logging yet
            yield module._secrets_masker()  # type: ignore[union-attr]
