"""Docstrings of public classes list every parameter, inherited ones too, as the code has them."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

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


#: What each operator or sensor may raise, as docs/operators/index.md says.
COMMON = {"OmicsError", "OmicsRequestInvalidError", "OmicsServiceError", "OmicsWaitError"}
PACKAGE = Path(inspect.getfile(OmicsHook)).parents[1]


@pytest.mark.parametrize("one", PUBLIC)
def test_a_docstring_links_to_the_document_of_what_it_does(one: type) -> None:
    assert "See https://docs.aws.amazon.com/omics/latest/" in (one.__doc__ or "")


@pytest.mark.parametrize("one", [one for one in PUBLIC if not one.__name__.endswith("Trigger")])
def test_a_docstring_names_the_errors_that_not_all_of_them_have(one: type) -> None:
    bases = (base for base in one.__mro__ if base.__module__.startswith("airflow_provider_omics."))
    trees = (ast.parse(textwrap.dedent(inspect.getsource(base))) for base in bases)
    names = {name for tree in trees for name in raised(tree) if name.startswith("Omics")} - COMMON
    assert [name for name in sorted(names) if name not in (one.__doc__ or "")] == []


def shown_modules() -> Iterator[Path]:
    """Give the modules whose documentation the site has as it is."""
    settings = (PACKAGE.parent / "docs" / "conf.py").read_text(encoding="utf-8")
    for node in ast.parse(settings).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "API":
            yield from (PACKAGE / name for name in ast.literal_eval(node.value))


@pytest.mark.parametrize("file", shown_modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_functions_of_the_api_name_what_they_raise(file: Path) -> None:
    module = ast.parse(file.read_text(encoding="utf-8"))
    classes = [node for node in module.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    undocumented = [
        f"{function.name}: {name}"
        for owner in (module, *classes)
        for function in owner.body
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and is_shown(function.name)
        for name in sorted(raised(function))
        if f":raises {name}:" not in documentation(owner, function)
    ]
    assert undocumented == []


def documentation(owner: ast.Module | ast.ClassDef, function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return what says what a function raises: what makes an object is described by its class."""
    if function.name in ("__init__", "__post_init__"):
        return ast.get_docstring(owner) or ""
    return ast.get_docstring(function) or ""


def is_shown(name: str) -> bool:
    """Whether what a function raises is for its users to know."""
    return not name.startswith("_") or name in ("__init__", "__post_init__")


def raised(tree: ast.AST) -> set[str]:
    """Return the names of the exceptions that some code makes and raises."""
    made = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise))
    names = (ast.unparse(exc.func) for exc in made if isinstance(exc, ast.Call))
    return {name for name in names if name[0].isupper()}
