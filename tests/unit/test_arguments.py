"""The table of arguments that only this provider reads."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator, BaseSensorOperator

from airflow_provider_omics.hooks.arguments import ARGUMENTS, value_issues
from airflow_provider_omics.operators.analysis import OmicsAnalyzeRunsOperator
from airflow_provider_omics.operators.base import OmicsBaseOperator
from airflow_provider_omics.operators.batch import (
    OmicsCancelRunBatchOperator,
    OmicsDeleteBatchOperator,
    OmicsDeleteRunBatchOperator,
    OmicsStartRunBatchOperator,
)
from airflow_provider_omics.operators.cost import OmicsEstimateCostOperator
from airflow_provider_omics.operators.run import OmicsCancelRunOperator, OmicsDeleteRunOperator, OmicsStartRunOperator
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor, OmicsBatchSensor
from airflow_provider_omics.sensors.run import OmicsRunSensor

CLASSES = (
    OmicsAnalyzeRunsOperator,
    OmicsEstimateCostOperator,
    OmicsStartRunOperator,
    OmicsCancelRunOperator,
    OmicsDeleteRunOperator,
    OmicsStartRunBatchOperator,
    OmicsCancelRunBatchOperator,
    OmicsDeleteRunBatchOperator,
    OmicsDeleteBatchOperator,
    OmicsRunSensor,
    OmicsBatchSensor,
    OmicsBatchRunSensor,
)
#: Decide where and how the task runs, before anything is rendered; or cannot come out of a template.
NO_TEMPLATES = {"deferrable", "start_from_trigger", "build_run_setting", "botocore_config", "self", "kwargs"}


def own_arguments(taker: type[OmicsBaseOperator]) -> set[str]:
    """The arguments that a class takes beyond Airflow's."""
    taken: set[str] = set()
    for one in taker.__mro__:
        if issubclass(one, OmicsBaseOperator):
            taken |= inspect.signature(one.__init__).parameters.keys()
    airflow = (inspect.signature(one.__init__).parameters for one in (BaseOperator, BaseSensorOperator))
    return taken.difference(NO_TEMPLATES, *airflow)


@pytest.mark.parametrize("taker", CLASSES)
def test_every_argument_that_may_be_computed_is_a_template_field(taker: type[OmicsBaseOperator]) -> None:
    assert own_arguments(taker) <= set(taker.template_fields)
    assert len(taker.template_fields) == len(set(taker.template_fields))


@pytest.mark.parametrize("taker", CLASSES)
def test_every_hint_says_that_text_is_taken(taker: type[OmicsBaseOperator]) -> None:
    for one in taker.__mro__:
        if issubclass(one, OmicsBaseOperator):
            for name, parameter in inspect.signature(one.__init__).parameters.items():
                assert name not in ARGUMENTS or "str" in str(parameter.annotation).split(" | "), (one, name)


@pytest.mark.parametrize("taker", CLASSES)
def test_every_default_fits(taker: type[OmicsBaseOperator]) -> None:
    for one in taker.__mro__:
        if not issubclass(one, OmicsBaseOperator):
            continue
        for name, parameter in inspect.signature(one.__init__).parameters.items():
            if name in ARGUMENTS and parameter.default is not parameter.empty:
                assert list(value_issues(name, parameter.default)) == []


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("waiter_delay", "30", 30),
        ("waiter_delay", " 0.5\n", 0.5),
        ("waiter_delay", "1e3", 1000.0),
        ("error_budget", "inf", math.inf),
        ("waiter_max_attempts", "10", 10),
        ("waiter_max_attempts", "None", None),
        ("waiter_max_attempts", "", None),
        ("waiter_max_attempts", None, None),
        ("tolerated_failure_count", "12.0", 12),
        ("tolerated_failure_count", 1.0, 1),
        ("tolerated_failure_percentage", "99.9", 99.9),
        ("tolerated_failure_percentage", 100, 100),
        ("durable", "True", True),
        ("durable", " false ", False),
        ("durable", False, False),
        ("on_timeout", "detach ", "detach"),
        ("parameter_types", '{"n": "int"}', {"n": "int"}),
        ("parameter_types", "None", None),
        ("verify", "false", False),
        ("verify", "/etc/ca.pem", "/etc/ca.pem"),
    ],
)
def test_text_is_read_as_what_the_argument_is(name: str, given: Any, read: Any) -> None:
    assert list(value_issues(name, given)) == []
    assert (ARGUMENTS[name].read(given), type(ARGUMENTS[name].read(given))) == (read, type(read))


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("waiter_delay", "soon", "waiter_delay: is 'soon'. Give a number from 0.01 to 604800."),
        ("waiter_delay", "0", "waiter_delay: is '0'. Give a number from 0.01 to 604800."),
        ("waiter_delay", True, "waiter_delay: is True. Give a number from 0.01 to 604800."),
        ("waiter_delay", math.nan, "waiter_delay: is nan. Give a number from 0.01 to 604800."),
        ("waiter_delay", "1_0", "waiter_delay: is '1_0'. Give a number from 0.01 to 604800."),
        ("waiter_delay", "٣", "waiter_delay: is '٣'. Give a number from 0.01 to 604800."),
        ("waiter_delay", "inf", "waiter_delay: is 'inf'. Give a number from 0.01 to 604800."),
        ("waiter_delay", math.inf, "waiter_delay: is inf. Give a number from 0.01 to 604800."),
        ("waiter_delay", "nan", "waiter_delay: is 'nan'. Give a number from 0.01 to 604800."),
        ("waiter_delay", "-1", "waiter_delay: is '-1'. Give a number from 0.01 to 604800."),
        ("waiter_delay", 1e300, "waiter_delay: is 1e+300. Give a number from 0.01 to 604800."),
        ("check_inputs_timeout", "inf", "check_inputs_timeout: is 'inf'. Give a number from 0 to 604800."),
        ("error_budget", "nan", "error_budget: is 'nan'. Give a number, 0 or more."),
        ("error_budget", None, "error_budget: is None. Give a number, 0 or more."),
        ("waiter_max_attempts", 0, "waiter_max_attempts: is 0. Give a whole number, 1 or more, or None."),
        ("waiter_max_attempts", 1.5, "waiter_max_attempts: is 1.5. Give a whole number, 1 or more, or None."),
        ("tolerated_failure_count", -1, "tolerated_failure_count: is -1. Give a whole number, 0 or more."),
        ("tolerated_failure_count", math.inf, "tolerated_failure_count: is inf. Give a whole number, 0 or more."),
        ("tolerated_failure_percentage", "101", "tolerated_failure_percentage: is '101'. Give a number from 0 to 100."),
        ("tolerated_failure_percentage", -0.1, "tolerated_failure_percentage: is -0.1. Give a number from 0 to 100."),
        ("durable", "maybe", "durable: is 'maybe'. Give true or false."),
        ("durable", 1, "durable: is 1. Give true or false."),
        ("on_timeout", "stop", "on_timeout: is 'stop'. Use one of cancel, detach."),
        ("check_inputs", ["warn"], "check_inputs: is ['warn']. Use one of off, warn, fail."),
        ("parameter_types", "int", "parameter_types: is 'int'. Give a dict, or text that is a JSON object."),
        ("durable", "x" * 200, f"durable: is '{'x' * 76}.... Give true or false."),
    ],
)
def test_what_cannot_be_read_is_told(name: str, given: Any, told: str) -> None:
    assert [str(issue) for issue in value_issues(name, given)] == [told]
