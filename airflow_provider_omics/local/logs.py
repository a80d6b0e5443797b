"""Log streams as the API names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.console import LOG_GROUP

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState


def log_stream_arn(state: AccountState, stream: str) -> str:
    """Return the ARN of a stream of the HealthOmics log group."""
    return f"arn:aws:logs:{state.region}:{state.account}:log-group:{LOG_GROUP}:log-stream:{stream}"
