"""What the package says about itself is what it has."""

from __future__ import annotations

import copy
import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import airflow
import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator, BaseOperatorLink
from airflow.triggers.base import BaseTrigger

import airflow_provider_omics
from airflow_provider_omics.compat import HAS_COHORT_PAGE
from airflow_provider_omics.links.omics import OmicsCohortPageLink
from airflow_provider_omics.provider_info import get_provider_info

# Airflow 2 has no asset watchers.
WITHOUT_AIRFLOW_2 = {"airflow_provider_omics.triggers.events"}
ROLES = {"operators": BaseOperator, "sensors": BaseOperator, "triggers": BaseTrigger}


def modules(package: str) -> Iterator[ModuleType]:
    root = importlib.import_module(f"airflow_provider_omics.{package}")
    for found in pkgutil.iter_modules(root.__path__, f"{root.__name__}."):
        if found.name not in WITHOUT_AIRFLOW_2 or airflow.__version__ >= "3":
            yield importlib.import_module(found.name)


def public_classes(package: str, base: type) -> dict[str, type]:
    """Every concrete class of a package's own modules, by its dotted name."""
    return {
        f"{module.__name__}.{name}": member
        for module in modules(package)
        for name, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, base) and member.__module__ == module.__name__ and not is_base(member)
    }


# What a request has to have, although the argument has a default.
REQUIRED_BY_HEALTHOMICS = {
    "results_uri": "s3://bucket/results",
    "role_arn": "arn:aws:iam::123456789012:role/omics",
    "output_uri": "s3://results/out",
    "definition": "s3://definitions/read-qc.zip",
    "cache_s3_location": "s3://caches/nightly",
    "run_configurations": {"vpcConfig": {"securityGroupIds": ["sg-1"], "subnetIds": ["subnet-01"]}},
}


def some_arguments(task_class: Any) -> dict[str, Any]:
    """A value for each argument that has no default, and for one that has."""
    parameters = inspect.signature(task_class.__init__).parameters.values()
    named = [parameter for parameter in parameters if parameter.kind is inspect.Parameter.KEYWORD_ONLY]
    required = [parameter.name for parameter in named if parameter.default is inspect.Parameter.empty]
    refused_without = {
        name: value for name, value in REQUIRED_BY_HEALTHOMICS.items() if name in task_class.template_fields
    }
    return {**dict.fromkeys([*required, task_class.template_fields[0]], "1234567"), **refused_without}


def is_base(member: type) -> bool:
    return (
        inspect.isabstract(member)
        or member.__module__.endswith((".base", ".waiting", ".account_base", ".auto_cache"))
        or member.__name__ == "OmicsLink"
    )


@pytest.mark.parametrize(("role", "base"), ROLES.items())
def test_every_module_with_something_to_use_is_listed(role: str, base: type) -> None:
    listed = {name for entry in get_provider_info()[role] for name in entry["python-modules"]}
    if airflow.__version__ < "3":
        listed -= WITHOUT_AIRFLOW_2
    assert listed == {name.rpartition(".")[0] for name in public_classes(role, base)}


def test_every_link_is_listed_and_belongs_to_an_operator() -> None:
    links = public_classes("links", BaseOperatorLink)
    assert set(get_provider_info()["extra-links"]) == set(links)
    used = {
        type(link)
        for role in ("operators", "sensors")
        for operator in public_classes(role, BaseOperator).values()
        for link in operator.operator_extra_links
    }
    without_place = set() if HAS_COHORT_PAGE else {OmicsCohortPageLink}
    assert used == set(links.values()) - without_place


@pytest.mark.parametrize(
    "name", sorted({**public_classes("operators", BaseOperator), **public_classes("sensors", BaseOperator)})
)
def test_template_fields_are_parameters_that_are_kept_under_their_name(name: str) -> None:
    module, _, member = name.rpartition(".")
    operator = getattr(importlib.import_module(module), member)
    taken = {parameter for parent in operator.__mro__ for parameter in inspect.signature(parent.__init__).parameters}
    assert set(operator.template_fields) <= taken
    either = {"batch_id", "cohort_task_id"}
    # Of the two a sensor takes one.
    for left_out in either if either <= set(operator.template_fields) else {""}:
        arguments: dict[str, Any] = {
            field: f"{{{{ {field} }}}}" for field in operator.template_fields if field != left_out
        }
        made = operator(task_id="task", **arguments)
        assert {field: getattr(made, field) for field in arguments} == arguments


@pytest.mark.parametrize(
    "name", sorted({**public_classes("operators", BaseOperator), **public_classes("sensors", BaseOperator)})
)
def test_the_connection_can_be_set_for_a_whole_dag(name: str) -> None:
    module, _, member = name.rpartition(".")
    with DAG("cohort", schedule=None, default_args={"aws_conn_id": "genomics", "region_name": "eu-west-1"}):
        task_class = getattr(importlib.import_module(module), member)
        task = task_class(task_id="task", verify=False, **some_arguments(task_class))
    assert (task.aws_conn_id, task.region_name, task.verify, task.botocore_config) == (
        "genomics",
        "eu-west-1",
        False,
        None,
    )


@pytest.mark.parametrize(
    "name", sorted({**public_classes("operators", BaseOperator), **public_classes("sensors", BaseOperator)})
)
def test_tasks_can_be_copied_with_their_dag(name: str) -> None:
    module, _, member = name.rpartition(".")
    with DAG("cohort", schedule=None) as dag:
        task_class = getattr(importlib.import_module(module), member)
        arguments = some_arguments(task_class)
        task_class(task_id="task", **arguments)
    for same in (copy.deepcopy(dag), dag.partial_subset("task")):
        assert {name: getattr(same.get_task("task"), name) for name in arguments} == arguments


# What a trigger refuses unless it makes sense.
CHECKED_ARGUMENTS: dict[str, dict[str, Any]] = {
    "airflow_provider_omics.triggers.events.OmicsRunEventTrigger": {
        "sqs_queue": "https://sqs.us-east-1.amazonaws.com/123456789012/events",
        "kinds": ["run"],
        "statuses": ["CANCELLED", "FAILED"],
        "workflow_ids": ["1234567"],
        "wait_time_seconds": 11,
        "max_number_of_messages": 9,
        "visibility_timeout": 90,
    }
}


def named_arguments(trigger_class: type) -> set[str]:
    """The arguments of a class, those that it passes on to its bases included."""
    own = [base for base in trigger_class.__mro__ if base.__module__.startswith("airflow_provider_omics")]
    parameters = [parameter for base in own for parameter in inspect.signature(base.__init__).parameters.values()]
    return {parameter.name for parameter in parameters if parameter.kind is inspect.Parameter.KEYWORD_ONLY}


#: Former names of arguments, which are stored under their present ones.
FORMER_ARGUMENTS = {"airflow_provider_omics.triggers.batch.OmicsBatchTrigger": {"goal"}}


@pytest.mark.parametrize("name", sorted(public_classes("triggers", BaseTrigger)))
def test_every_trigger_comes_back_from_storage_as_it_was(name: str) -> None:
    module, _, member = name.rpartition(".")
    trigger_class = getattr(importlib.import_module(module), member)
    # A value of its own for each argument, so that none can be taken for another.
    named = named_arguments(trigger_class) - FORMER_ARGUMENTS.get(name, set())
    arguments = {key: f"value of {key}" for key in named} | CHECKED_ARGUMENTS.get(name, {})
    classpath, stored = trigger_class(**arguments).serialize()
    assert classpath == name
    assert json.loads(json.dumps(stored)) == arguments
    assert trigger_class(**stored).serialize() == (classpath, stored)


def test_the_description_is_read_without_airflow() -> None:
    program = (
        "import sys; from airflow_provider_omics.provider_info import get_provider_info as info; "
        "print(info()['package-name'], any(name.split('.')[0] in {'airflow', 'boto3', 'moto'} for name in sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["airflow-provider-omics", "False"]


def test_the_description_follows_airflows_schema() -> None:
    from jsonschema import validate

    schema = json.loads((pkgutil.get_data(airflow.__name__, "provider_info.schema.json") or b"").decode())
    validate(get_provider_info(), schema)


def test_the_version_is_the_distributions() -> None:
    from importlib.metadata import version

    assert version("airflow-provider-omics") == airflow_provider_omics.__version__
    assert get_provider_info()["versions"] == [airflow_provider_omics.__version__]


def test_airflow_2_is_told_that_it_has_no_asset_watchers() -> None:
    program = "import airflow_provider_omics.triggers.events"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    if airflow.__version__ < "3":
        assert "Asset watchers need Airflow 3.0 or later" in done.stderr.splitlines()[-1]
    else:
        assert done.returncode == 0, done.stderr
