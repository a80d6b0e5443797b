"""The connection parameters that every operator, sensor and trigger takes, described once.

* ``aws_conn_id``: the Airflow connection, of type ``aws``; None uses boto3's own credential chain.
* ``region_name``: AWS Region; None takes the connection's.
* ``verify``: whether, or with which CA bundle (a path), TLS certificates are checked; None is boto3's default.
* ``botocore_config``: settings for botocore's ``Config``, as a dict; merged over the connection's ``config_kwargs``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_omics.hooks.omics import OmicsHook

TEMPLATED = ("aws_conn_id", "region_name", "verify")
"""The connection parameters that are template fields."""


@dataclass(frozen=True)
class ConnectionParameters:
    """How to reach HealthOmics, as plain values that a trigger can be stored with."""

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
