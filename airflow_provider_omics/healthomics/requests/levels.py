"""What becomes of a task when something is found in its input: nothing, a warning, or a failure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_provider_omics.healthomics.requests.issues import Issue

OFF, WARN, FAIL = "off", "warn", "fail"
LEVELS = (OFF, WARN, FAIL)


def level_issues(where: str, value: Any) -> Iterator[Issue]:
    """Yield what is wrong with a level.

    :param where: the parameter that it was given in.
    """
    if value not in LEVELS:
        yield Issue(where, f"{value!r} is unknown", f"Use one of {', '.join(LEVELS)}")
