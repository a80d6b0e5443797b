"""Operator that finds out whether runs can be started, without starting any."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.exceptions import non_retryable_errors
from airflow_provider_omics.healthomics.requests.input_objects import InputObjects
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.levels import FAIL, OFF
from airflow_provider_omics.healthomics.requests.shapes import api_name
from airflow_provider_omics.healthomics.run_settings.parameters_file import file_of, read_parameters
from airflow_provider_omics.hooks.arguments import argument_issues, as_read
from airflow_provider_omics.hooks.object_settings import ObjectSettings
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.operators.base import KillableOperator
from airflow_provider_omics.operators.before_start import BeforeStart
from airflow_provider_omics.operators.input_check import InputCheck
from airflow_provider_omics.operators.named_workflow import find_named
from airflow_provider_omics.operators.private_argument import PrivateArgument
from airflow_provider_omics.operators.without_effect import log_without_effect
from airflow_provider_omics.preflight.findings import Verdict
from airflow_provider_omics.workflows.lookup import workflow_name_issues

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

PREFLIGHT_FIELDS = (
    "workflow_id",
    "workflow_type",
    "workflow_owner_id",
    "workflow_version_name",
    "run_id",
    "role_arn",
    "output_uri",
    "run_group_id",
    "cache_id",
    "configuration_name",
    "storage_type",
    "retention_mode",
)
"""The members of StartRun that :class:`OmicsPreflightOperator` takes beside ``parameters``."""
_OPERATION, _MOST_RETURNED = "Preflight", 100


class OmicsPreflightOperator(KillableOperator):
    """Find out whether runs can be started, and what would go wrong, before the work that leads to them; start none.

    Returns what was found, without what is as it should be: a list of objects with ``kind``, ``verdict`` (``bad`` or
    ``unknown``), ``where``, ``what`` and ``fix``, at most 100. What is given is checked; what is not, is not.

    See https://docs.aws.amazon.com/omics/latest/api/API_StartRun.html

    :param workflow_id: id of the workflow; give this, ``workflow_name`` or ``run_id``.
    :param workflow_name: name of the workflow, in place of ``workflow_id``: the only ACTIVE one of that name
        (ListWorkflows).
    :param workflow_type: ``PRIVATE`` (the service's default) or ``READY2RUN``.
    :param workflow_owner_id: account id (12 digits) of the owner of a workflow shared with this account.
    :param workflow_version_name: version of the workflow, up to 64 characters; with ``workflow_name`` it may be
        ``latest``.
    :param run_id: id of an earlier run to run again; what is not given is taken from that run.
    :param role_arn: ARN of the service role that the runs will act with.
    :param output_uri: where outputs will go, as ``s3://bucket/prefix``. A small object is written there, and deleted.
    :param parameters: the workflow's inputs, as an object, or a path or ``s3://`` URI of a JSON file that holds one.
    :param run_group_id: run group that the runs will be in.
    :param cache_id: run cache that they will use.
    :param configuration_name: configuration that they will use with ``VPC``.
    :param storage_type: ``STATIC`` or ``DYNAMIC``.
    :param retention_mode: ``RETAIN`` (the service's default) or ``REMOVE``.
    :param runs: how many runs there will be, 1 or more. Default ``1``.
    :param preflight: what becomes of what is wrong: ``fail`` fails the task with all of it at once, ``warn`` logs it,
        ``off`` does not look; or a dict of these by kind (``workflow``, ``configuration``, ``cache``, ``run_group``,
        ``output``, ``role``, ``images``, ``quota``), with ``unknown`` for what could not be found out and ``*`` for the
        kinds that it does not name, both ``warn`` unless given. Default ``fail``.
    :param check_inputs: whether the inputs in S3 that ``parameters`` name are looked for: ``off``, ``warn`` or
        ``fail``. Default ``off``.
    :param check_inputs_timeout: seconds after which no more inputs are looked for, 0 to 604,800. Default ``600``.
    :param s3_requester_pays: whether this account pays for what the task itself reads and writes in buckets that use
        Requester Pays. Default ``False``.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    template_fields: Sequence[str] = (*PREFLIGHT_FIELDS, "workflow_name", "parameters", *TEMPLATED)
    workflow_type: str | None
    workflow_version_name: str | None
    template_fields_renderers = {"parameters": "json"}  # noqa: RUF012 - Airflow declares it without ClassVar
    parameters: Any = PrivateArgument()

    def __init__(
        self,
        *,
        workflow_id: str | None = None,
        workflow_name: str | None = None,
        workflow_type: str | None = None,
        workflow_owner_id: str | None = None,
        workflow_version_name: str | None = None,
        run_id: str | None = None,
        role_arn: str | None = None,
        output_uri: str | None = None,
        parameters: dict[str, Any] | str | os.PathLike[str] | None = None,
        run_group_id: str | None = None,
        cache_id: str | None = None,
        configuration_name: str | None = None,
        storage_type: str | None = None,
        retention_mode: str | None = None,
        runs: int | str = 1,
        preflight: str | dict[str, str] | None = FAIL,
        check_inputs: str = OFF,
        check_inputs_timeout: float | str = 600,
        s3_requester_pays: bool | str = False,
        **kwargs: Any,
    ) -> None:
        given = locals()
        super().__init__(**kwargs)
        for field in PREFLIGHT_FIELDS:
            setattr(self, field, given[field])
        self.workflow_name = workflow_name
        self.parameters = parameters
        self.runs: int = as_read(runs)
        self.preflight = preflight
        self.check_inputs = check_inputs
        self.check_inputs_timeout: float = as_read(check_inputs_timeout)
        self.s3_requester_pays: bool = as_read(s3_requester_pays)
        self.check_literals()

    @classmethod
    def request_issues(cls, plain: Mapping[str, Any], templated: Collection[str] | None) -> Iterable[Issue]:
        """Return what is wrong with what names the workflow."""
        del templated
        return workflow_name_issues(plain)

    def execute(self, context: Context) -> list[dict[str, str]]:
        """Make the checks."""
        with non_retryable_errors(self):
            given = {name: getattr(self, name) for name in ("workflow_name", *PREFLIGHT_FIELDS)}
            if issues := [*argument_issues(self), *workflow_name_issues(given)]:
                raise OmicsRequestInvalidError(_OPERATION, issues)
            log_without_effect(self)
            self.hook.object_settings = ObjectSettings(requester_pays=self.s3_requester_pays)
            members = self._members()
            before = BeforeStart(self.hook, self.log, _OPERATION, self.preflight)
            found = before.prove(members, self.runs, [lambda: self._check_inputs(members)], self._named_workflow)
        return [one.to_payload() for one in found if one.verdict is not Verdict.GOOD][:_MOST_RETURNED]

    def _members(self) -> dict[str, Any]:
        members = {api_name(name): getattr(self, name) for name in PREFLIGHT_FIELDS}
        name = file_of(self.parameters)
        read = self.parameters if name is None else read_parameters(_OPERATION, name, self.hook.inputs.open)
        members["parameters"] = read
        return {name: value for name, value in members.items() if value is not None}

    def _named_workflow(self) -> Mapping[str, Any]:
        if self.workflow_name is None:
            return {}
        asked = self.workflow_name, self.workflow_version_name, self.workflow_type
        return find_named(self.hook, self.log, _OPERATION, *asked).members

    def _check_inputs(self, members: Mapping[str, Any]) -> None:
        if self.check_inputs == OFF:
            return
        level, seconds, unchecked = self.check_inputs, self.check_inputs_timeout, "Nothing is known of them"
        check = InputCheck(self.hook, self.log, _OPERATION, level, seconds, unchecked, self._killed.is_set)
        with closing(InputObjects()) as objects:
            objects.note(members.get("parameters"))
            check.check(objects)
