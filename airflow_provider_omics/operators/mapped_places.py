"""Whether the instances of a mapped task would all write to one place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError

# What a template can tell instances apart by.
_OF_INSTANCE = re.compile(r"map_index|xcom_pull|\btask\.(?!task_id\b|dag_id\b)")


def refuse(operation: str, issues: Iterable[Issue]) -> None:
    """Raise what is wrong with a request, if anything is.

    :raises OmicsRequestInvalidError: something is.
    """
    found = list(issues)
    if found:
        raise OmicsRequestInvalidError(operation, found)


def shared_place_issues(task: BaseOperator, parameter: str, given: Any, map_index: int | None) -> Iterator[Issue]:
    """Yield that a place is the same for all instances of a mapped task, of which each would overwrite the others'.

    :param task: this instance's operator.
    :param parameter: such as ``results_uri``.
    :param given: its value before templates were rendered; None for a default, which is every instance's own.
    :param map_index: -1 or None for a task that is not mapped.
    """
    if map_index is None or map_index < 0 or not isinstance(given, str) or not _is_shared(task, parameter, given):
        return
    yield Issue(
        parameter,
        f"{given!r} is the same for all instances of this mapped task, which would overwrite each other's",
        f"Put {{{{ ti.map_index }}}} into it, give each instance its own with expand_kwargs, or leave {parameter} out",
    )


def _is_shared(task: BaseOperator, parameter: str, given: str) -> bool:
    has_dag = task.has_dag()  # type: ignore[no-untyped-call]
    mapped = task.dag.task_dict.get(task.task_id) if has_dag else None
    fixed: Mapping[str, Any] | None = getattr(mapped, "partial_kwargs", None)
    # Without one, the task is mapped as a part of its task group.
    if fixed is None or parameter in fixed:
        return _OF_INSTANCE.search(given) is None
    return _is_repeated(getattr(getattr(mapped, "expand_input", None), "value", None), parameter, given)


def _is_repeated(expanded: Any, parameter: str, given: str) -> bool:
    """Whether several instances were expanded to the same value, as far as that is known before they run."""
    if isinstance(expanded, Mapping):
        # One instance for every combination of the values.
        others = [values for name, values in expanded.items() if name != parameter]
        if any(not isinstance(values, Sequence) or len(values) > 1 for values in others):
            return True
        return _count(expanded.get(parameter), given) > 1
    if isinstance(expanded, Sequence):
        return _count([each.get(parameter) for each in expanded if isinstance(each, Mapping)], given) > 1
    return False


def _count(values: Any, given: str) -> int:
    return list(values).count(given) if isinstance(values, Sequence) else 0
