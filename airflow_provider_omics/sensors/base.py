"""What every HealthOmics sensor has: what Airflow's sensors have, and what the HealthOmics operators have."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import BaseSensorOperator

from airflow_provider_omics.operators.base import OmicsBaseOperator


class OmicsBaseSensor(BaseSensorOperator, OmicsBaseOperator):
    """Base of the HealthOmics sensors."""

    ui_color = "#e6f0fa"
