"""Sensors for workflows and versions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.exceptions import OmicsWorkflowFailedError
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.requests.checks import check_id
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.operators.workflow_end import version_issues
from airflow_provider_omics.operators.xcom_keys import (
    XCOM_WORKFLOW_ARN_KEY,
    XCOM_WORKFLOW_ID_KEY,
    XCOM_WORKFLOW_UUID_KEY,
)
from airflow_provider_omics.sensors.waiting import OmicsWaitingSensor
from airflow_provider_omics.triggers.workflow import OmicsWorkflowTrigger
from airflow_provider_omics.workflows.failure import WorkflowFailure
from airflow_provider_omics.workflows.snapshot import WorkflowSnapshot

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class OmicsWorkflowSensor(OmicsWaitingSensor[WorkflowSnapshot]):
    """Wait until a workflow, or a version of one, is ACTIVE, whoever made it; fail at once if it never will be.

    Returns ``{"workflow_id": ..., "version_name": ..., "workflow_arn": ..., "workflow_uuid": ...}``.

    Fails with an :class:`~airflow_provider_omics.exceptions.OmicsWorkflowFailedError`,
    and with an :class:`~airflow_provider_omics.exceptions.OmicsSensorTimeoutError` once its ``timeout`` is over.

    See https://docs.aws.amazon.com/omics/latest/api/API_GetWorkflow.html

    :param workflow_id: id of the workflow (templated). Required.
    :param version_name: name of the version (templated), up to 64 characters; None for the workflow itself.
    :param deferrable: whether to wait in the triggerer, without a worker; the default is Airflow's ``[operators]
        default_deferrable``.
    :param start_from_trigger: whether to go to the triggerer straight from the scheduler, without a worker first. The
        sensor defers from a worker all the same where the triggerer could not know its arguments: when it is mapped,
        when a template pulls an XCom, when a number is a template, and before Airflow 3.3 with any template. Default
        ``False``.
    :param error_budget: seconds for which errors of polling are put up with before the sensor fails, 0 or more: errors
        of any kind once the service has answered, before that only those that pass by themselves (throttling, 5xx,
        network). A deferred sensor polls again after at most 5 minutes, and after a twelfth of the budget; one in mode
        ``reschedule``, which polls from a new process each time, puts up with them until its ``timeout``. Default
        ``3600``.
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
    waits_for = WorkflowSnapshot
    trigger_class = OmicsWorkflowTrigger

    def __init__(self, *, workflow_id: str, version_name: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.workflow_id = workflow_id
        self.version_name = version_name
        self.start_in_triggerer()

    @classmethod
    def request_issues(cls, plain: Mapping[str, Any], templated: Collection[str] | None) -> Iterable[Issue]:
        """Return what is wrong with the version's name, if it is no template."""
        del templated
        return version_issues(plain, is_required=False)

    def trigger_arguments(self) -> dict[str, Any]:
        """Return what the trigger waits for."""
        return {"workflow_id": self.workflow_id, "version_name": self.version_name}

    def checked_arguments(self, context: Context) -> dict[str, Any]:
        """Return what the trigger waits for, checked."""
        issues = [*self.own_issues(), *version_issues({"version_name": self.version_name}, is_required=False)]
        if issues:
            raise OmicsRequestInvalidError("GetWorkflow", issues)
        workflow_id = check_id("GetWorkflow", "id", "workflow_id", self.workflow_id)
        return {"workflow_id": workflow_id, "version_name": self.version_name}

    def store_links(self, context: Context, arguments: dict[str, Any]) -> None:
        """Store nothing: no page of the console is known for workflows."""

    def result(self, snapshot: WorkflowSnapshot) -> dict[str, Any]:
        """Return what identifies the workflow or version."""
        if snapshot.phase is not Phase.SUCCEEDED:
            raise OmicsWorkflowFailedError(WorkflowFailure(snapshot, is_own=False))
        return {
            XCOM_WORKFLOW_ID_KEY: snapshot.workflow_id,
            "version_name": snapshot.version_name,
            XCOM_WORKFLOW_ARN_KEY: snapshot.arn,
            XCOM_WORKFLOW_UUID_KEY: snapshot.uuid,
        }
