"""Log streams as the API names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.console import LOG_GROUP

if TYPE_CHECKING:
    from airflow_provider_omics.local.world import World


def log_stream_arn(world: World, stream: str) -> str:
    """Return the ARN of a stream of the HealthOmics log group."""
    return f"arn:aws:logs:{world.region}:{world.account}:log-group:{LOG_GROUP}:log-stream:{stream}"
