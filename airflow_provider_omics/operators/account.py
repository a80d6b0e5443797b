"""Operators that create a run group, a run cache or a configuration: one of each name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.account.kinds import CONFIGURATION, RUN_CACHE, RUN_GROUP
from airflow_provider_omics.account.poll import ConfigurationSnapshot
from airflow_provider_omics.exceptions import OmicsConfigurationFailedError, OmicsWaitError
from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.polling.result import StopReason, WaitResult
from airflow_provider_omics.hooks.arguments import as_read
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.operators.account_base import OmicsResourceOperator
from airflow_provider_omics.operators.account_end import (
    OmicsDeleteConfigurationOperator,
    OmicsDeleteRunCacheOperator,
    OmicsDeleteRunGroupOperator,
)
from airflow_provider_omics.operators.waiting import OmicsRequestOperator
from airflow_provider_omics.triggers.configuration import OmicsConfigurationTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

# Where a user looks for them.
__all__ = [
    "OmicsCreateConfigurationOperator",
    "OmicsCreateRunCacheOperator",
    "OmicsCreateRunGroupOperator",
    "OmicsDeleteConfigurationOperator",
    "OmicsDeleteRunCacheOperator",
    "OmicsDeleteRunGroupOperator",
]


class OmicsCreateRunGroupOperator(OmicsResourceOperator):
    """Create a run group unless there is one of its name, and give it the limits that are asked for.

    Returns the group's id, and pushes ``resource_arn`` and ``resource_is_new`` under these XCom keys. A group of the
    name (ListRunGroups) is changed to have what is given here (UpdateRunGroup, TagResource); several of one name are
    refused. Parameters that are None are not sent, and keep what the group has. All are templates but
    ``botocore_config``.

    See https://docs.aws.amazon.com/omics/latest/api/API_CreateRunGroup.html

    :param name: name of the group, 1 to 128 characters. Required.
    :param max_cpus: most vCPUs of its active runs together, 1 to 100,000.
    :param max_gpus: most GPUs of its active runs together, 1 to 100,000.
    :param max_runs: most runs that are active at a time, 1 to 100,000.
    :param max_duration: minutes after which a run is stopped, 1 to 100,000.
    :param tags: tags of the group, at most 50; tags that it has besides stay.
    :param request_id: idempotency token, up to 128 characters; the default is made of the name, so that however many
        tasks ask at the same time make one.
    :param create_run_group_kwargs: members of CreateRunGroup that this release does not name, by their API names.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    resource_kind = RUN_GROUP
    template_fields: Sequence[str] = ("name", *RUN_GROUP.fields, RUN_GROUP.extra, *TEMPLATED)
    template_fields_renderers = {"tags": "json", RUN_GROUP.extra: "json"}  # noqa: RUF012 - as in Airflow

    def __init__(
        self,
        *,
        name: str,
        max_cpus: int | str | None = None,
        max_gpus: int | str | None = None,
        max_runs: int | str | None = None,
        max_duration: int | str | None = None,
        tags: dict[str, str] | str | None = None,
        request_id: str | None = None,
        create_run_group_kwargs: dict[str, Any] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.max_cpus = max_cpus
        self.max_gpus = max_gpus
        self.max_runs = max_runs
        self.max_duration = max_duration
        self.tags = tags
        self.request_id = request_id
        self.create_run_group_kwargs = create_run_group_kwargs
        self.check_literals()


class OmicsCreateRunCacheOperator(OmicsResourceOperator):
    """Create a run cache unless there is one of its name, and see that it is as asked for.

    Returns the cache's id, and pushes ``resource_arn`` and ``resource_is_new`` under these XCom keys. A cache of the
    name (ListRunCaches) is changed to have the behaviour, the description and the tags that are given here
    (UpdateRunCache, TagResource); one at another place in S3, or several of one name, are refused. Parameters that are
    None are not sent, and keep what the cache has. All are templates but ``botocore_config``.

    See https://docs.aws.amazon.com/omics/latest/api/API_CreateRunCache.html

    :param name: name of the cache, 1 to 128 characters. Required.
    :param cache_s3_location: where what it keeps goes, as ``s3://bucket/prefix``, in a bucket that exists. Required.
    :param cache_behavior: ``CACHE_ON_FAILURE`` (the service's default) or ``CACHE_ALWAYS``.
    :param description: description of the cache, 1 to 256 characters.
    :param cache_bucket_owner_id: account id (12 digits) of the owner of the bucket.
    :param tags: tags of the cache, at most 50; tags that it has besides stay.
    :param request_id: idempotency token, up to 128 characters; the default is made of the name, so that however many
        tasks ask at the same time make one.
    :param create_run_cache_kwargs: members of CreateRunCache that this release does not name, by their API names.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    resource_kind = RUN_CACHE
    template_fields: Sequence[str] = ("name", *RUN_CACHE.fields, RUN_CACHE.extra, *TEMPLATED)
    template_fields_renderers = {"tags": "json", RUN_CACHE.extra: "json"}  # noqa: RUF012 - as in Airflow

    def __init__(
        self,
        *,
        name: str,
        cache_s3_location: str,
        cache_behavior: str | None = None,
        description: str | None = None,
        cache_bucket_owner_id: str | None = None,
        tags: dict[str, str] | str | None = None,
        request_id: str | None = None,
        create_run_cache_kwargs: dict[str, Any] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.cache_s3_location = cache_s3_location
        self.cache_behavior = cache_behavior
        self.description = description
        self.cache_bucket_owner_id = cache_bucket_owner_id
        self.tags = tags
        self.request_id = request_id
        self.create_run_cache_kwargs = create_run_cache_kwargs
        self.check_literals()


class OmicsCreateConfigurationOperator(OmicsResourceOperator, OmicsRequestOperator[ConfigurationSnapshot]):
    """Create a configuration, by which runs reach a VPC, unless there is one of its name, and wait until it is ACTIVE.

    Returns its name, for ``configuration_name`` of a start operator, and pushes ``resource_arn`` and
    ``resource_is_new`` under these XCom keys. The API changes no configuration: one of the name with other subnets,
    security groups, owner or description is refused; tags are added (TagResource). One that does not become ACTIVE
    fails the task with an :class:`~airflow_provider_omics.exceptions.OmicsConfigurationFailedError`.

    Parameters that are None are not sent. All but ``deferrable`` and ``botocore_config`` are templates.

    See https://docs.aws.amazon.com/omics/latest/api/API_CreateConfiguration.html

    :param name: name of the configuration, 1 to 128 letters, digits, dots, hyphens and underscores. Required.
    :param run_configurations: ``{"vpcConfig": {...}}`` with ``securityGroupIds`` (1 to 5), ``subnetIds`` (1 to 16, one
        for each Availability Zone), both in any order, and ``vpcOwnerAccountId`` of a shared VPC. Required.
    :param description: description of the configuration, 1 to 256 characters.
    :param tags: tags of the configuration, at most 50; tags that it has besides stay.
    :param request_id: idempotency token, up to 128 characters; the default is made of the name, so that however many
        tasks ask at the same time make one.
    :param create_configuration_kwargs: members of CreateConfiguration that this release does not name, by their API
        names.
    :param wait_for_completion: whether to wait until it is ACTIVE. Default ``True``.
    :param deferrable: whether to wait in the triggerer, without a worker; the default is Airflow's ``[operators]
        default_deferrable``.
    :param waiter_delay: seconds between two polls, 0.01 to 604,800. Default ``30``.
    :param waiter_max_attempts: most polls that are answered before the task fails, 1 or more; None for no limit but
        ``execution_timeout``.
    :param error_budget: seconds for which errors of polling are put up with before the task fails, 0 or more: errors of
        any kind once the service has answered, before that only those that pass by themselves (throttling, 5xx,
        network). A poll that fails is repeated after at most 5 minutes, and after a twelfth of the budget. Default
        ``3600``.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    resource_kind = CONFIGURATION
    waits_for = ConfigurationSnapshot
    template_fields: Sequence[str] = ("name", *CONFIGURATION.fields, CONFIGURATION.extra, *TEMPLATED)
    template_fields_renderers = {"run_configurations": "json", "tags": "json", CONFIGURATION.extra: "json"}  # noqa: RUF012 - as in Airflow

    def __init__(
        self,
        *,
        name: str,
        run_configurations: dict[str, Any] | str,
        description: str | None = None,
        tags: dict[str, str] | str | None = None,
        request_id: str | None = None,
        create_configuration_kwargs: dict[str, Any] | str | None = None,
        wait_for_completion: bool | str = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.run_configurations = run_configurations
        self.description = description
        self.tags = tags
        self.request_id = request_id
        self.create_configuration_kwargs = create_configuration_kwargs
        self.wait_for_completion: bool = as_read(wait_for_completion)
        self.check_literals()

    def execute(self, context: Context) -> str:
        """Create the configuration unless it is there and, if wanted, wait until it is ACTIVE."""
        return str(OmicsRequestOperator.execute(self, context))

    def make_request(self, context: Context) -> str:
        """Do what :meth:`execute` says, and return the name."""
        self.check_waiting("CreateConfiguration")
        configuration = ConfigurationSnapshot.of(self.get_or_create(context).resource)
        if configuration.phase.is_final:
            return self.finish(context, WaitResult(StopReason.ENDED, configuration))
        if not self.wait_for_completion:
            return configuration.name
        trigger = OmicsConfigurationTrigger(name=configuration.name, just_started=True, **self.waiting_arguments())
        return str(self.wait(context, trigger))

    def finish(self, context: Context, end: WaitResult[ConfigurationSnapshot], **_state: Any) -> str:
        """Return the name, or raise what explains why the configuration cannot be used."""
        if end.why is not StopReason.ENDED:
            raise OmicsWaitError(end)
        if end.snapshot.phase is not Phase.SUCCEEDED:
            raise OmicsConfigurationFailedError(end.snapshot)
        self.log.info("%s", end.snapshot.describe())
        return end.snapshot.name
