"""Arguments that do nothing beside others: told in the log, since default_args give them to all tasks of a DAG."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.requests.levels import OFF
from airflow_provider_omics.usage.choice import UsageMode


@dataclass(frozen=True)
class _Dependence:
    """Arguments that need another.

    :param names: the arguments.
    :param needed: the other one, by its name, which a task has to take for this to hold for it.
    :param is_met: whether a task is given what they need.
    :param why: what they are for, and what they need, in words.
    """

    names: tuple[str, ...]
    needed: str
    is_met: Callable[[Any], bool]
    why: str


_DEPENDENCES = (
    _Dependence(
        (
            *("tolerated_failure_count", "tolerated_failure_percentage", "fail_fast", "redrive_attempts"),
            *("usage", "report", "results_uri", "asset_partitions_limit"),
        ),
        "wait_for_completion",
        lambda task: bool(task.wait_for_completion),
        "they are for the end of the job, which this task does not wait for (wait_for_completion)",
    ),
    _Dependence(
        ("price_file",),
        "usage",
        lambda task: task.usage != UsageMode.OFF or getattr(task, "estimates", False),
        "no cost is looked up or estimated (usage, and for starts max_cost_usd, estimate_runs)",
    ),
    _Dependence(
        ("usage_sample_size",),
        "usage",
        lambda task: task.usage == UsageMode.SAMPLE,
        "only usage='sample' takes some of the samples",
    ),
    _Dependence(
        ("check_inputs_timeout",),
        "check_inputs",
        lambda task: task.check_inputs != OFF,
        "inputs are not looked for (check_inputs)",
    ),
)


def log_without_effect(task: Any) -> None:
    """Log which arguments of a task do nothing beside the others; to be called once they are read and checked.

    :param task: an operator or a sensor.
    """
    for line in without_effect(task):
        task.log.warning("%s", entry(line))


def without_effect(task: Any) -> Iterator[str]:
    """Yield which arguments of a task do nothing beside the others, a line for each reason."""
    for one in _DEPENDENCES:
        if not hasattr(task, one.needed) or one.is_met(task):
            continue
        names = [name for name in one.names if _is_given(task, name)]
        if names:
            yield f"Without effect in this task: {', '.join(names)}; {one.why}"


def _is_given(task: Any, name: str) -> bool:
    takers = (inspect.signature(vars(one)["__init__"]) for one in type(task).__mro__ if "__init__" in vars(one))
    taker = next((taker for taker in takers if name in taker.parameters), None)
    return taker is not None and getattr(task, name) != taker.parameters[name].default
