"""The classes that users name, and the parameters that their code has."""

from __future__ import annotations

import inspect
from typing import Any

from asset_watchers import HAS_ASSET_WATCHERS

from airflow_provider_omics.operators.account import (
    OmicsCreateConfigurationOperator,
    OmicsCreateRunCacheOperator,
    OmicsCreateRunGroupOperator,
    OmicsDeleteConfigurationOperator,
    OmicsDeleteRunCacheOperator,
    OmicsDeleteRunGroupOperator,
)
from airflow_provider_omics.operators.analysis import OmicsAnalyzeRunsOperator
from airflow_provider_omics.operators.batch import (
    OmicsCancelRunBatchOperator,
    OmicsDeleteBatchOperator,
    OmicsDeleteRunBatchOperator,
    OmicsStartRunBatchOperator,
)
from airflow_provider_omics.operators.cost import OmicsEstimateCostOperator
from airflow_provider_omics.operators.preflight import OmicsPreflightOperator
from airflow_provider_omics.operators.prune import OmicsPruneRunBatchesOperator, OmicsPruneRunsOperator
from airflow_provider_omics.operators.run import OmicsCancelRunOperator, OmicsDeleteRunOperator, OmicsStartRunOperator
from airflow_provider_omics.operators.workflow import (
    OmicsCreateWorkflowOperator,
    OmicsCreateWorkflowVersionOperator,
    OmicsDeleteWorkflowOperator,
    OmicsDeleteWorkflowVersionOperator,
)
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor, OmicsBatchSensor
from airflow_provider_omics.sensors.configuration import OmicsConfigurationSensor
from airflow_provider_omics.sensors.run import OmicsRunSensor
from airflow_provider_omics.sensors.workflow import OmicsWorkflowSensor
from airflow_provider_omics.triggers.batch import OmicsBatchRunTrigger, OmicsBatchTrigger
from airflow_provider_omics.triggers.configuration import OmicsConfigurationTrigger
from airflow_provider_omics.triggers.run import OmicsRunTrigger
from airflow_provider_omics.triggers.workflow import OmicsWorkflowTrigger

PUBLIC: tuple[type, ...] = (
    OmicsStartRunOperator,
    OmicsCancelRunOperator,
    OmicsDeleteRunOperator,
    OmicsStartRunBatchOperator,
    OmicsCancelRunBatchOperator,
    OmicsDeleteRunBatchOperator,
    OmicsDeleteBatchOperator,
    OmicsAnalyzeRunsOperator,
    OmicsEstimateCostOperator,
    OmicsCreateWorkflowOperator,
    OmicsCreateWorkflowVersionOperator,
    OmicsDeleteWorkflowOperator,
    OmicsDeleteWorkflowVersionOperator,
    OmicsCreateRunGroupOperator,
    OmicsCreateRunCacheOperator,
    OmicsCreateConfigurationOperator,
    OmicsDeleteRunGroupOperator,
    OmicsDeleteRunCacheOperator,
    OmicsDeleteConfigurationOperator,
    OmicsConfigurationSensor,
    OmicsConfigurationTrigger,
    OmicsPreflightOperator,
    OmicsPruneRunsOperator,
    OmicsPruneRunBatchesOperator,
    OmicsRunSensor,
    OmicsBatchSensor,
    OmicsBatchRunSensor,
    OmicsWorkflowSensor,
    OmicsRunTrigger,
    OmicsWorkflowTrigger,
    OmicsBatchTrigger,
    OmicsBatchRunTrigger,
)
if HAS_ASSET_WATCHERS:
    from airflow_provider_omics.triggers.events import OmicsRunEventTrigger

    PUBLIC = (*PUBLIC, OmicsRunEventTrigger)


def own(one: type) -> dict[str, Any]:
    """The parameters that a class itself takes by name, with their defaults."""
    if "__init__" not in vars(one):
        return {}
    parameters = inspect.signature(vars(one)["__init__"]).parameters.values()
    return {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}


def taken(one: type) -> dict[str, tuple[type, Any]]:
    """All parameters that a class takes beyond Airflow's, each with the class that has it and its default."""
    found: dict[str, tuple[type, Any]] = {}
    for base in one.__mro__:
        if base.__module__.startswith("airflow_provider_omics."):
            for name, default in own(base).items():
                found.setdefault(name, (base, default))
    return found
