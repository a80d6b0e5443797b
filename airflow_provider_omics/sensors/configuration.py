"""Sensor for configurations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.account.poll import ConfigurationSnapshot
from airflow_provider_omics.exceptions import OmicsConfigurationFailedError
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.requests.checks import check_id
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.sensors.waiting import OmicsWaitingSensor
from airflow_provider_omics.triggers.configuration import OmicsConfigurationTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class OmicsConfigurationSensor(OmicsWaitingSensor[ConfigurationSnapshot]):
    """Wait until a configuration is ACTIVE, whoever made it; fail at once if it never will be.

    Returns ``{"name": ..., "configuration_arn": ..., "configuration_uuid": ...}``.

    Fails with an :class:`~airflow_provider_omics.exceptions.OmicsConfigurationFailedError`,
    and with an :class:`~airflow_provider_omics.exceptions.OmicsSensorTimeoutError` once its ``timeout`` is over.

    See https://docs.aws.amazon.com/omics/latest/api/API_GetConfiguration.html

    :param name: name of the configuration (templated). Required.
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

    template_fields: Sequence[str] = ("name", *TEMPLATED)
    id_argument = ("GetConfiguration", "name", "name")
    waits_for = ConfigurationSnapshot
    trigger_class = OmicsConfigurationTrigger

    def __init__(self, *, name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.start_in_triggerer()

    def trigger_arguments(self) -> dict[str, Any]:
        """Return what the trigger waits for."""
        return {"name": self.name}

    def checked_arguments(self, context: Context) -> dict[str, Any]:
        """Return what the trigger waits for, checked."""
        issues = list(self.own_issues())
        if issues:
            raise OmicsRequestInvalidError("GetConfiguration", issues)
        return {"name": check_id("GetConfiguration", "name", "name", self.name)}

    def store_links(self, context: Context, arguments: dict[str, Any]) -> None:
        """Store nothing: no page of the console is known for configurations."""

    def result(self, snapshot: ConfigurationSnapshot) -> dict[str, Any]:
        """Return what identifies the configuration."""
        if snapshot.phase is not Phase.SUCCEEDED:
            raise OmicsConfigurationFailedError(snapshot)
        return {"name": snapshot.name, "configuration_arn": snapshot.arn, "configuration_uuid": snapshot.uuid}
