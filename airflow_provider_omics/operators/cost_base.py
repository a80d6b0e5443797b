"""Base of the operators that start a job: what it may cost, and what it has cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.hooks.arguments import as_read
from airflow_provider_omics.jobs.cost_estimate import estimate_cost
from airflow_provider_omics.jobs.kinds import JobT
from airflow_provider_omics.jobs.price_source import price_book
from airflow_provider_omics.jobs.run_usage import usage_retrying
from airflow_provider_omics.jobs.use_reader import RunUseReader
from airflow_provider_omics.operators.inputs import OmicsInputOperator
from airflow_provider_omics.operators.xcom_keys import XCOM_COST_ESTIMATE_KEY
from airflow_provider_omics.operators.xcoms import push_xcoms
from airflow_provider_omics.usage.choice import UsageMode
from airflow_provider_omics.usage.estimate import ESTIMATE_RUNS, UnknownCost

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class OmicsCostOperator(OmicsInputOperator[JobT]):
    """Base of the operators that start a job: what it may cost, and what it has cost.

    The parameters are described in :class:`~airflow_provider_omics.operators.run.OmicsStartRunOperator` and
    :class:`~airflow_provider_omics.operators.batch.OmicsStartRunBatchOperator`.
    """

    def __init__(
        self,
        *,
        usage: str = "off",
        price_file: str | None = None,
        max_cost_usd: float | str | None = None,
        unknown_cost: str = "refuse",
        estimate_runs: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.usage = usage
        self.price_file = price_file
        self.max_cost_usd: float | None = as_read(max_cost_usd)
        self.unknown_cost = unknown_cost
        self.estimate_runs: int | None = as_read(estimate_runs)

    def prove_prices(self, operation: str) -> None:
        """Refuse a price file that is none, before anything is submitted.

        :param operation: API operation that would be sent.
        :raises OmicsRequestInvalidError: it is none.
        """
        if self.price_file is not None and (self.usage != UsageMode.OFF or self.estimates):
            price_book(self.hook, self.price_file, operation)

    def prove_cost(self, context: Context, operation: str, members: Mapping[str, Any], runs: int) -> None:
        """Estimate what runs will cost, before they are started, log and push it, and refuse what is too much.

        :param operation: API operation that would be sent.
        :param members: of StartRun, which name the workflow.
        :param runs: how many would be started.
        :raises OmicsRequestInvalidError: it is more than ``max_cost_usd``, or not known.
        :raises OmicsServiceError: it could not be looked up, and may be another time.
        """
        if not self.estimates:
            return
        estimate = estimate_cost(self.use_reader(), self.price_file, members, runs, self.estimate_runs or ESTIMATE_RUNS)
        limit = None if self.max_cost_usd is None else Decimal(str(self.max_cost_usd))
        self.log.info("%s", entry(estimate.describe()))
        if self.do_xcom_push:
            push_xcoms(context, self.log, {XCOM_COST_ESTIMATE_KEY: estimate.to_json()})
        issues = list(estimate.refusals(limit, UnknownCost(self.unknown_cost)))
        if issues:
            raise OmicsRequestInvalidError(operation, issues)
        if estimate.may_exceed(limit):
            self.log.warning("%s", entry("It may be more than max_cost_usd: %s", estimate.describe()))

    def use_reader(self) -> RunUseReader:
        """Return what reads the use of runs."""
        return RunUseReader(self.hook, self.log, usage_retrying(self.retrying))

    @property
    def estimates(self) -> bool:
        """Whether what runs will cost is estimated before they are started."""
        return self.max_cost_usd is not None or self.estimate_runs is not None
