"""Docstrings of public classes list every parameter, inherited ones too, as the code has them."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping

import pytest
from public_classes import PUBLIC, taken

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
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator

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
