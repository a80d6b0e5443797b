"""Docstrings of public classes list every parameter, inherited ones too, as the code has them."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from typing import Any

import pytest
from asset_watchers import HAS_ASSET_WATCHERS

from airflow_provider_omics.healthomics.requests.literal_requests import (
    DEFAULT_RUN_SETTING_REQUIRED,
    START_RUN_REQUIRED,
)
from airflow_provider_omics.healthomics.requests.shapes import snake_case
from airflow_provider_omics.hooks.account import OmicsAccountHook
from airflow_provider_omics.hooks.arguments import ARGUMENTS, Number
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.hooks.parameters import ConnectionParameters
from airflow_provider_omics.hooks.workflows import OmicsWorkflowHook
from airflow_provider_omics.operators.account import (
    OmicsCreateConfigurationOperator,
    OmicsCreateRunCacheOperator,
    OmicsCreateRunGroupOperator,
    OmicsDeleteConfigurationOperator,
    OmicsDeleteRunCacheOperator,
    OmicsDeleteRunGroupOperator,
)
from airflow_provider_omics.operators.analysis import OmicsAnalyzeRunsOperator
from airflow_provider_omics.operators.batch import (
    OmicsCancelRunBatchOperator,
    OmicsDeleteBatchOperator,
    OmicsDeleteRunBatchOperator,
    OmicsStartRunBatchOperator,
)
from airflow_provider_omics.operators.preflight import OmicsPreflightOperator
from airflow_provider_omics.operators.prune import OmicsPruneRunBatchesOperator, OmicsPruneRunsOperator
from airflow_provider_omics.operators.run import OmicsCancelRunOperator, OmicsDeleteRunOperator, OmicsStartRunOperator
from airflow_provider_omics.operators.workflow import (
    OmicsCreateWorkflowOperator,
    OmicsCreateWorkflowVersionOperator,
    OmicsDeleteWorkflowOperator,
    OmicsDeleteWorkflowVersionOperator,
)
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor, OmicsBatchSensor
from airflow_provider_omics.sensors.configuration import OmicsConfigurationSensor
from airflow_provider_omics.sensors.run import OmicsRunSensor
from airflow_provider_omics.sensors.workflow import OmicsWorkflowSensor
from airflow_provider_omics.triggers.batch import OmicsBatchRunTrigger, OmicsBatchTrigger
from airflow_provider_omics.triggers.configuration import OmicsConfigurationTrigger
from airflow_provider_omics.triggers.run import OmicsRunTrigger
from airflow_provider_omics.triggers.workflow import OmicsWorkflowTrigger

PUBLIC: tuple[type, ...] = (
    OmicsStartRunOperator,
    OmicsCancelRunOperator,
    OmicsDeleteRunOperator,
    OmicsStartRunBatchOperator,
    OmicsCancelRunBatchOperator,
    OmicsDeleteRunBatchOperator,
    OmicsDeleteBatchOperator,
    OmicsAnalyzeRunsOperator,
    OmicsCreateWorkflowOperator,
    OmicsCreateWorkflowVersionOperator,
    OmicsDeleteWorkflowOperator,
    OmicsDeleteWorkflowVersionOperator,
    OmicsCreateRunGroupOperator,
    OmicsCreateRunCacheOperator,
    OmicsCreateConfigurationOperator,
    OmicsDeleteRunGroupOperator,
    OmicsDeleteRunCacheOperator,
    OmicsDeleteConfigurationOperator,
    OmicsConfigurationSensor,
    OmicsConfigurationTrigger,
    OmicsPreflightOperator,
    OmicsPruneRunsOperator,
    OmicsPruneRunBatchesOperator,
    OmicsRunSensor,
    OmicsBatchSensor,
    OmicsBatchRunSensor,
    OmicsWorkflowSensor,
    OmicsRunTrigger,
    OmicsWorkflowTrigger,
    OmicsBatchTrigger,
    OmicsBatchRunTrigger,
)
if HAS_ASSET_WATCHERS:
    from airflow_provider_omics.triggers.events import OmicsRunEventTrigger

    PUBLIC = (*PUBLIC, OmicsRunEventTrigger)
#: What the service needs, although Python does not.
REQUIRED: Mapping[type, tuple[str, ...]] = {
    OmicsStartRunOperator: START_RUN_REQUIRED,
    OmicsStartRunBatchOperator: DEFAULT_RUN_SETTING_REQUIRED,
}
PARAMETER = re.compile(r"^:param (\w+): (.*?)(?=\n:|\n\n|\Z)", re.MULTILINE | re.DOTALL)
DEFAULT = re.compile(r"Default ``(.+?)``\.$")
NO_DEFAULT = inspect.Parameter.empty


def described(one: type) -> dict[str, str]:
    """The texts of a class's own docstring, by parameter."""
    text = inspect.cleandoc(one.__doc__ or "")
    found = [(name, " ".join(words.split())) for name, words in PARAMETER.findall(text)]
    assert len(found) == len(dict(found)), f"{one.__name__} describes a parameter twice"
    return dict(found)


def own(one: type) -> dict[str, Any]:
    """The parameters that a class itself takes by name, with their defaults."""
    if "__init__" not in vars(one):
        return {}
    parameters = inspect.signature(vars(one)["__init__"]).parameters.values()
    return {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}


def taken(one: type) -> dict[str, tuple[type, Any]]:
    """All parameters that a class takes beyond Airflow's, each with the class that has it and its default."""
    found: dict[str, tuple[type, Any]] = {}
    for base in one.__mro__:
        if base.__module__.startswith("airflow_provider_omics."):
            for name, default in own(base).items():
                found.setdefault(name, (base, default))
    return found


EACH = [pytest.param(one, name, id=f"{one.__name__}-{name}") for one in PUBLIC for name in taken(one)]


@pytest.mark.parametrize("one", PUBLIC)
def test_a_docstring_lists_all_parameters_and_no_others(one: type) -> None:
    assert sorted(described(one)) == sorted(taken(one))


@pytest.mark.parametrize(("one", "name"), EACH)
def test_a_text_tells_the_default_or_that_there_is_none(one: type, name: str) -> None:
    text, default = described(one)[name], taken(one)[name][1]
    told = DEFAULT.search(text)
    is_required = default is NO_DEFAULT or name in map(snake_case, REQUIRED.get(one, ()))
    assert ("Required" in text) == is_required
    if name == "deferrable":
        assert "the default is Airflow's ``[operators] default_deferrable``" in text
    elif default in (None, NO_DEFAULT):
        assert told is None
    else:
        assert told is not None
        assert told[1] == default if isinstance(default, str) else ast.literal_eval(told[1]) == default


@pytest.mark.parametrize(("one", "name"), EACH)
def test_a_text_tells_the_bounds_of_a_number(one: type, name: str) -> None:
    kind, text = ARGUMENTS.get(name), described(one)[name]
    if isinstance(kind, Number) and kind.low >= 0:
        low, high = f"{kind.low:,}", None if kind.high is None else f"{kind.high:,}"
        assert f"{low} or more" in text if high is None else f"{low} to {high}" in text


@pytest.mark.parametrize(("one", "name"), EACH)
def test_a_text_is_the_same_wherever_the_parameter_is_inherited(one: type, name: str) -> None:
    base = taken(one)[name][0]
    texts = described(base)
    # A base without texts leaves them to the one class that it is made for.
    assert described(one)[name] == texts.get(name, described(one)[name])
    if name in described(ConnectionParameters):
        assert described(one)[name] == described(ConnectionParameters)[name]


API = "See https://docs.aws.amazon.com/omics/latest/api/API_"
DEPRECATED = ("look_up", "perform")
OPERATIONS = [
    name
    for name in (*vars(OmicsHook), *vars(OmicsWorkflowHook), *vars(OmicsAccountHook))
    if not name.startswith("_") and name not in DEPRECATED
]


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_of_the_hook_describe_what_they_take_and_name_the_operation(name: str) -> None:
    operation = getattr(OmicsHook, name)
    text = inspect.getdoc(operation) or ""
    texts = {name: " ".join(words.split()) for name, words in PARAMETER.findall(text)}
    parameters = {one.name: one.default for one in inspect.signature(operation).parameters.values()}
    assert list(texts) == [one for one in parameters if one != "self"]
    for one, described_as in texts.items():
        assert ("Required." in described_as) == (parameters[one] is NO_DEFAULT), one
        assert bool(DEFAULT.search(described_as)) == (parameters[one] not in (None, NO_DEFAULT)), one
    assert API in text
    assert ":raises Omics" in text or name == "explain_failure"
