"""The connection parameters that every operator, sensor and trigger takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_omics.hooks.omics import OmicsHook

TEMPLATED = ("aws_conn_id", "region_name", "verify")
"""The connection parameters that are template fields."""


@dataclass(frozen=True)
class ConnectionParameters:
    """How to reach HealthOmics, as plain values that a trigger can be stored with.

    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    aws_conn_id: str | None = "aws_default"
    region_name: str | None = None
    verify: bool | str | None = None
    botocore_config: dict[str, Any] | None = None

    @classmethod
    def of(cls, holder: Any) -> ConnectionParameters:
        """Read the parameters off an operator, a sensor or a trigger."""
        return cls(holder.aws_conn_id, holder.region_name, holder.verify, holder.botocore_config)

    def hook(self) -> OmicsHook:
        """Make a hook."""
        return OmicsHook(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self.botocore_config,
        )

    def to_payload(self) -> dict[str, Any]:
        """Return the parameters as a trigger's arguments."""
        return asdict(self)
