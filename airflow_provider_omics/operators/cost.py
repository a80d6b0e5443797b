"""Operator that estimates what runs will cost, without starting any."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.exceptions import non_retryable_errors
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.shapes import api_name
from airflow_provider_omics.hooks.arguments import argument_issues, as_read
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.jobs.cost_estimate import estimate_cost
from airflow_provider_omics.jobs.price_source import price_book
from airflow_provider_omics.jobs.use_reader import RunUseReader
from airflow_provider_omics.operators.base import KillableOperator
from airflow_provider_omics.operators.named_workflow import find_named
from airflow_provider_omics.usage.estimate import ESTIMATE_RUNS
from airflow_provider_omics.workflows.lookup import workflow_name_issues

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_OPERATION = "ListRuns"
_FIELDS = ("workflow_id", "workflow_type", "workflow_version_name", "run_id")
_ERROR_BUDGET, _DELAY = 300.0, 10.0


class OmicsEstimateCostOperator(KillableOperator):
    """Estimate what runs will cost, for a person or a task that decides whether they are started; start none.

    Returns a dict: ``cost_usd`` (the median, times ``runs``), ``cost_usd_low`` and ``cost_usd_high`` (the first and the
    last decile), all as text, and None where they are not known; ``text``, which says the same and why; ``runs``,
    ``workflow_id``, ``workflow_version_name``, ``based_on_runs``, ``with_cache_hits`` and ``price_as_of``.

    See https://docs.aws.amazon.com/omics/latest/api/API_ListRuns.html

    :param workflow_id: id of the workflow; give this, ``workflow_name`` or ``run_id``.
    :param workflow_name: name of the workflow, in place of ``workflow_id``: the only ACTIVE one of that name
        (ListWorkflows).
    :param workflow_type: ``PRIVATE`` (the service's default) or ``READY2RUN``, whose list price is the estimate.
    :param workflow_version_name: version of the workflow, up to 64 characters; with ``workflow_name`` it may be
        ``latest``.
    :param run_id: id of an earlier run that is to be run again, for its workflow.
    :param runs: how many runs there will be, 1 or more. Default ``1``.
    :param estimate_runs: from how many of the last completed runs of the workflow version the cost is estimated, 5 to
        1,000; with fewer than five it is unknown. None, the default, for 20.
    :param price_file: prices as JSON, a path or ``s3://`` URI, in the form of the local server's price file; the
        default is the AWS Price List Service, which needs ``pricing:GetProducts``. Without either, costs are unknown.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    template_fields: Sequence[str] = (*_FIELDS, "workflow_name", "price_file", *TEMPLATED)

    def __init__(
        self,
        *,
        workflow_id: str | None = None,
        workflow_name: str | None = None,
        workflow_type: str | None = None,
        workflow_version_name: str | None = None,
        run_id: str | None = None,
        runs: int | str = 1,
        estimate_runs: int | str | None = None,
        price_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.workflow_id = workflow_id
        self.workflow_name = workflow_name
        self.workflow_type = workflow_type
        self.workflow_version_name = workflow_version_name
        self.run_id = run_id
        self.runs: int = as_read(runs)
        self.estimate_runs: int | None = as_read(estimate_runs)
        self.price_file = price_file
        self.check_literals()

    @classmethod
    def request_issues(cls, plain: Mapping[str, Any], templated: Collection[str] | None) -> Iterable[Issue]:
        """Return what is wrong with what names the workflow."""
        yield from workflow_name_issues(plain)
        if plain.get("workflow_id") is not None and plain.get("run_id") is not None:
            yield Issue("workflow_id", "is given together with run_id", "Give one of them")
        if (
            templated is not None
            and not _NAMING.intersection(templated)
            and not any(plain.get(name) for name in _NAMING)
        ):
            yield Issue("workflow_id", "is missing", "Give workflow_id, workflow_name or run_id")

    def execute(self, context: Context) -> dict[str, Any]:
        """Look up what earlier runs have cost."""
        with non_retryable_errors(self):
            given = {name: getattr(self, name) for name in (*_FIELDS, "workflow_name")}
            if issues := [*argument_issues(self), *self.request_issues(given, frozenset())]:
                raise OmicsRequestInvalidError(_OPERATION, issues)
            if self.price_file is not None:
                price_book(self.hook, self.price_file, _OPERATION)
            retrying = self.retrying_for(_ERROR_BUDGET, _DELAY, "the estimate", only_transient=True)
            reader = RunUseReader(self.hook, self.log, retrying)
            count = self.estimate_runs or ESTIMATE_RUNS
            estimate = estimate_cost(reader, self.price_file, self._members(), self.runs, count)
        self.log.info("%s", entry(estimate.describe()))
        return estimate.to_json()

    def _members(self) -> dict[str, Any]:
        given = {api_name(name): getattr(self, name) for name in _FIELDS}
        members = {name: value for name, value in given.items() if value is not None}
        if self.workflow_name is None:
            return members
        asked = self.workflow_name, self.workflow_version_name, self.workflow_type
        return {**members, **find_named(self.hook, self.log, _OPERATION, *asked).members}


_NAMING = frozenset({"workflow_id", "workflow_name", "run_id"})
