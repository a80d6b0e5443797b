"""Operators that delete a workflow, or a version of one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_omics.exceptions import non_retryable_errors
from airflow_provider_omics.healthomics.requests.checks import as_typed, check_id
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.literals import member_issues, missing_issues
from airflow_provider_omics.healthomics.requests.shapes import check_request, operation_model
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.operators.base import OmicsBaseOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from botocore.model import StructureShape

_DELETE_VERSION = "DeleteWorkflowVersion"


class OmicsDeleteWorkflowOperator(OmicsBaseOperator):
    """Delete a workflow with all its versions; its runs go on and stay. One that is gone is deleted enough.

    Returns the workflow's id.

    See https://docs.aws.amazon.com/omics/latest/api/API_DeleteWorkflow.html

    :param workflow_id: id of the workflow (templated). Required.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    template_fields: Sequence[str] = ("workflow_id", *TEMPLATED)
    id_argument = ("GetWorkflow", "id", "workflow_id")

    def __init__(self, *, workflow_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.workflow_id = workflow_id
        self.check_literals()

    def execute(self, context: Context) -> str:
        """Delete the workflow."""
        with non_retryable_errors(self):
            workflow_id = check_id("DeleteWorkflow", "id", "workflow_id", self.workflow_id)
            deleted = self.hook.delete_workflow(workflow_id)
        self.log.info("HealthOmics workflow %s %s", workflow_id, "was deleted" if deleted else "was gone already")
        return workflow_id


class OmicsDeleteWorkflowVersionOperator(OmicsBaseOperator):
    """Delete a version of a workflow; its runs go on and stay. One that is gone is deleted enough.

    Returns the version's name.

    See https://docs.aws.amazon.com/omics/latest/api/API_DeleteWorkflowVersion.html

    :param workflow_id: id of the workflow (templated). Required.
    :param version_name: name of the version (templated), up to 64 characters. Required.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    template_fields: Sequence[str] = ("workflow_id", "version_name", *TEMPLATED)
    id_argument = ("GetWorkflow", "id", "workflow_id")

    def __init__(self, *, workflow_id: str, version_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.workflow_id = workflow_id
        self.version_name = version_name
        self.check_literals()

    @classmethod
    def request_issues(cls, plain: Mapping[str, Any], templated: Collection[str] | None) -> Iterable[Issue]:
        """Return what is wrong with the version's name, if it is no template."""
        del templated
        return version_issues(plain)

    def execute(self, context: Context) -> str:
        """Delete the version."""
        with non_retryable_errors(self):
            members = {"workflowId": str(self.workflow_id), "versionName": self.version_name}
            known = _deletion_shape().members
            issues = [as_typed(issue, known) for issue in check_request(_DELETE_VERSION, members)]
            if issues:
                raise OmicsRequestInvalidError(_DELETE_VERSION, issues)
            deleted = self.hook.delete_workflow(members["workflowId"], self.version_name)
        fate = "was deleted" if deleted else "was gone already"
        self.log.info("Version %s of HealthOmics workflow %s %s", self.version_name, members["workflowId"], fate)
        return self.version_name


def version_issues(plain: Mapping[str, Any], *, is_required: bool = True) -> Iterable[Issue]:
    """Yield what is wrong with the name of a version, if it is no template.

    :param plain: arguments that are no templates, by name.
    :param is_required: whether there must be one.
    """
    if "version_name" not in plain:
        return
    members = {"versionName": plain["version_name"]}
    missing = missing_issues(members, members) if is_required else ()
    for issue in (*missing, *member_issues(_deletion_shape, members)):
        yield Issue("version_name", issue.what, issue.fix)


def _deletion_shape() -> StructureShape:
    return cast("StructureShape", operation_model(_DELETE_VERSION).input_shape)
