"""All checks of a preflight, in order."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from airflow_provider_omics.preflight.check import Check, run_checks
from airflow_provider_omics.preflight.findings import Finding
from airflow_provider_omics.preflight.images import ImageCheck
from airflow_provider_omics.preflight.output import OutputCheck
from airflow_provider_omics.preflight.plan import Plan
from airflow_provider_omics.preflight.quota import QuotaCheck
from airflow_provider_omics.preflight.rerun import Rerun
from airflow_provider_omics.preflight.resources import CacheCheck, ConfigurationCheck, RunGroupCheck
from airflow_provider_omics.preflight.role import RoleCheck
from airflow_provider_omics.preflight.workflow import WorkflowCheck


def examine(
    plan: Plan,
    kinds: Collection[str],
    *,
    client_of: Callable[[str], Any],
    prove_writable: Callable[[str], None],
    download: Callable[[str], bytes],
) -> list[Finding]:
    """Return everything that the checks of some kinds find.

    :param client_of: returns a boto3 client of a service, such as ``ecr``.
    :param prove_writable: writes a small object of a name to S3, and deletes it again; raises OmicsServiceError.
    :param download: fetches a definition from its link.
    """
    rerun = Rerun(plan)
    found = run_checks([rerun], plan, client_of)
    checks: tuple[Check, ...] = (
        WorkflowCheck(),
        ConfigurationCheck(),
        CacheCheck(),
        RunGroupCheck(),
        OutputCheck(prove_writable),
        RoleCheck(),
        ImageCheck(download),
        QuotaCheck(),
    )
    return found + run_checks([check for check in checks if check.kind in kinds], rerun.plan, client_of)
