"""The parameters of a run: given in the request, or in a file that is read once the run has started."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_omics.healthomics.requests.parameter_template import (
    WorkflowParameters,
    chosen_profiles,
    required_parameters,
)
from airflow_provider_omics.local.aws import S3Error
from airflow_provider_omics.local.errors import ValidationException
from airflow_provider_omics.local.workflows.downloads import link

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.records import Run, Workflow

REQUIREMENTS = "cwl:requirements"
"""A name in the parameters of CWL that is no input: requirements that go beside those of the definition."""

INVALID = "INVALID_RUN_PARAMETERS"
"""Failure code of a run whose file of parameters is not valid."""


class InvalidParameters(Exception):
    """The file that ``parametersUri`` names cannot be used; the text becomes the run's ``statusMessage``."""


def check_parameters(state: AccountState, workflow: Workflow, request: dict[str, Any]) -> None:
    """Check what StartRun is told about parameters before it answers.

    :raises ValidationException: parameters are no object, too large, not those that the workflow takes, or given twice.
    """
    parameters = request.get("parameters")
    if "parametersUri" in request:
        if parameters is not None:
            raise ValidationException("Specify either parameters or parametersUri, not both")
        return
    if parameters is None:
        parameters = {}
    if not isinstance(parameters, dict):
        raise ValidationException(f"parameters must be a JSON object, not {type(parameters).__name__}")
    size = len(json.dumps(parameters, separators=(",", ":"), ensure_ascii=False).encode())
    if size > state.quotas.parameter_bytes:
        raise ValidationException(f"parameters have {size} bytes, more than {state.quotas.parameter_bytes}")
    _compare(workflow, request, parameters)


def read_parameters(state: AccountState, run: Run) -> None:
    """Read the file that the run's ``parametersUri`` names, and keep a copy of it.

    :raises InvalidParameters: it cannot be read, is no JSON object, or is not what the workflow takes.
    """
    uri = run.request["parametersUri"]
    try:
        content = state.aws.get_object(uri)
        parameters = json.loads(content, parse_constant=_refuse_constant)
    except S3Error as error:
        raise InvalidParameters(f"parametersUri cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidParameters(f"{uri} is not JSON: {error}") from error
    if not isinstance(parameters, dict):
        raise InvalidParameters(f"{uri} is not a JSON object but {type(parameters).__name__}")
    try:
        _compare(run.workflow, run.request, parameters)
    except ValidationException as error:
        raise InvalidParameters(f"{uri}: {error.message}") from error
    run.request["parameters"] = parameters
    run.parameters_link = link(state, f"run/{run.uuid}/parameters.json", content)


def _compare(workflow: Workflow, request: dict[str, Any], parameters: dict[str, Any]) -> None:
    profiles = chosen_profiles(request.get("engineSettings")) if workflow.engine == "NEXTFLOW" else ()
    taken = WorkflowParameters(workflow.parameter_template, workflow.profile_parameter_templates)
    template = taken.with_profiles(profiles)
    if not template:
        return
    missing = sorted(required_parameters(template) - parameters.keys())
    if missing:
        raise ValidationException(f"Missing required parameters: {', '.join(missing)}")
    no_inputs = {REQUIREMENTS} if workflow.engine == "CWL" else set()
    unknown = sorted(parameters.keys() - template.keys() - no_inputs)
    if unknown:
        raise ValidationException(f"Parameters not in the parameter template: {', '.join(unknown)}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
