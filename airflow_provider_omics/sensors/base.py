"""What every HealthOmics sensor has: its connection parameters and its hook."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseSensorOperator

from airflow_provider_omics.hooks.parameters import ConnectionParameters

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook


class OmicsBaseSensor(BaseSensorOperator):
    """Base of the HealthOmics sensors.

    Its parameters are described in :mod:`airflow_provider_omics.hooks.parameters`.
    """

    ui_color = "#e6f0fa"

    def __init__(
        self,
        *,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    @cached_property
    def hook(self) -> OmicsHook:
        """The hook, made when it is first needed."""
        return ConnectionParameters.of(self).hook()
