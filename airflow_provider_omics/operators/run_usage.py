"""Use and cost of one run, looked up at its end by the operator or the sensor that has waited for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_omics.healthomics.api.retrying import Retrying
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.jobs.run_usage import run_usage, usage_retrying
from airflow_provider_omics.jobs.use_reader import RunUseReader
from airflow_provider_omics.operators.xcom_keys import XCOM_RUN_USAGE_KEY
from airflow_provider_omics.operators.xcoms import push_xcoms
from airflow_provider_omics.usage.choice import UsageMode

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_omics.hooks.omics import OmicsHook


class RunWaiter(Protocol):
    """Operator or sensor that has waited for a run."""

    usage: str
    price_file: str | None
    do_xcom_push: bool

    @property
    def hook(self) -> OmicsHook:
        """Its hook."""

    @property
    def log(self) -> Any:
        """Where its log goes."""

    @property
    def retrying(self) -> Retrying:
        """What makes its calls again."""


def add_run_usage(task: RunWaiter, context: Context, run: RunSnapshot, operation: str) -> None:
    """Look up what a run that has ended used and cost, log and push it; nothing is raised.

    :param operation: API operation that the task is about.
    """
    if task.usage == UsageMode.OFF:
        return
    reader = RunUseReader(task.hook, task.log, usage_retrying(task.retrying))
    used = run_usage(reader, run, UsageMode(task.usage), task.price_file, operation)
    if used is not None and task.do_xcom_push:
        push_xcoms(context, task.log, {XCOM_RUN_USAGE_KEY: used})
