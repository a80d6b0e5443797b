"""A local HealthOmics server for development and tests; binds to loopback and checks no credentials.

``LocalOmics`` and what configures it are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_omics.local.assumptions import Assumptions
    from airflow_provider_omics.local.clock import ManualClock
    from airflow_provider_omics.local.executors.outcomes import OutcomeRule, SimulatedOutcomes
    from airflow_provider_omics.local.faults import FaultKind, FaultRule
    from airflow_provider_omics.local.quotas import Quotas
    from airflow_provider_omics.local.server import LocalOmics
    from airflow_provider_omics.local.timings import Timings

_MODULES = {
    "Assumptions": "assumptions",
    "FaultKind": "faults",
    "FaultRule": "faults",
    "LocalOmics": "server",
    "ManualClock": "clock",
    "OutcomeRule": "executors.simulated",
    "Quotas": "quotas",
    "SimulatedOutcomes": "executors.simulated",
    "Timings": "timings",
}

__all__ = [
    "Assumptions",
    "FaultKind",
    "FaultRule",
    "LocalOmics",
    "ManualClock",
    "OutcomeRule",
    "Quotas",
    "SimulatedOutcomes",
    "Timings",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
