"""Operators that delete a run group, a run cache or a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_omics.account.kinds import CONFIGURATION, RUN_CACHE, RUN_GROUP
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.operators.account_base import OmicsDeleteResourceOperator


class OmicsDeleteRunGroupOperator(OmicsDeleteResourceOperator):
    """Delete a run group that has no active runs; its other runs stay. One that is gone is deleted enough.

    Returns the group's id.

    See https://docs.aws.amazon.com/omics/latest/api/API_DeleteRunGroup.html

    :param run_group_id: id of the run group (templated). Required.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    resource_kind = RUN_GROUP
    template_fields: Sequence[str] = ("run_group_id", *TEMPLATED)
    id_argument = ("GetRunGroup", "id", "run_group_id")

    def __init__(self, *, run_group_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run_group_id = run_group_id
        self.check_literals()


class OmicsDeleteRunCacheOperator(OmicsDeleteResourceOperator):
    """Delete a run cache; what it kept stays in S3. One that is gone is deleted enough.

    Returns the cache's id.

    See https://docs.aws.amazon.com/omics/latest/api/API_DeleteRunCache.html

    :param cache_id: id of the run cache (templated). Required.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    resource_kind = RUN_CACHE
    template_fields: Sequence[str] = ("cache_id", *TEMPLATED)
    id_argument = ("GetRunCache", "id", "cache_id")

    def __init__(self, *, cache_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cache_id = cache_id
        self.check_literals()


class OmicsDeleteConfigurationOperator(OmicsDeleteResourceOperator):
    """Delete a configuration; runs that were started with it go on. One that is gone is deleted enough.

    Returns its name.

    See https://docs.aws.amazon.com/omics/latest/api/API_DeleteConfiguration.html

    :param name: name of the configuration (templated). Required.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    resource_kind = CONFIGURATION
    template_fields: Sequence[str] = ("name", *TEMPLATED)
    id_argument = ("GetConfiguration", "name", "name")

    def __init__(self, *, name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.check_literals()
