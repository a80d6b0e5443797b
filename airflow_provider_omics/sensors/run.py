"""Sensors for runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.api.statuses import Phase
from airflow_provider_omics.healthomics.requests.checks import check_run_id
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.literal_requests import RUN_ID
from airflow_provider_omics.healthomics.runs.failure import OmicsRunFailedError
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.links.omics import RUN_LINKS, store_run_links
from airflow_provider_omics.operators.run_usage import add_run_usage
from airflow_provider_omics.operators.without_effect import log_without_effect
from airflow_provider_omics.operators.xcom_keys import run_result
from airflow_provider_omics.sensors.waiting import OmicsWaitingSensor
from airflow_provider_omics.triggers.run import OmicsRunTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class OmicsRunSensor(OmicsWaitingSensor[RunSnapshot]):
    """Wait until a run has COMPLETED, whoever started it; fail at once, with the cause, if it ends otherwise.

    Returns ``{"run_id": ..., "run_uuid": ..., "run_output_uri": ...}``; the last two are None for a run that has
    COMPLETED, but could not be looked up any more within ``error_budget``.

    Fails with an :class:`~airflow_provider_omics.exceptions.OmicsRunFailedError`,
    and with an :class:`~airflow_provider_omics.exceptions.OmicsSensorTimeoutError` once its ``timeout`` is over.

    See https://docs.aws.amazon.com/omics/latest/api/API_GetRun.html

    :param run_id: id of the run (templated). Required.
    :param usage: whether use and cost of the run are looked up at its end, for the log and the XCom ``run_usage``:
        ``off``, ``failed`` (of a run that did not complete), ``sample`` and ``all`` (of any), as in
        ``OmicsStartRunOperator``. What cannot be looked up is unknown, and a warning. Default ``off``.
    :param price_file: prices as JSON, a path or ``s3://`` URI (templated); the default is the AWS Price List Service,
        which needs ``pricing:GetProducts``. Without either, costs are unknown.
    :param deferrable: whether to wait in the triggerer, without a worker; the default is Airflow's ``[operators]
        default_deferrable``.
    :param start_from_trigger: whether to go to the triggerer straight from the scheduler, without a worker first. The
        sensor defers from a worker all the same where the triggerer could not know its arguments: when it is mapped,
        when a template pulls an XCom, when a number is a template, and before Airflow 3.3 with any template. Default
        ``False``.
    :param error_budget: seconds for which errors of polling are put up with before the sensor fails, 0 or more: errors
        of any kind once the service has answered, before that only those that pass by themselves (throttling, 5xx,
        network). A deferred sensor polls again after at most 5 minutes, and after a twelfth of the budget; one in mode
        ``reschedule``, which polls from a new process each time, puts up with them until its ``timeout``. Default
        ``3600``.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    template_fields: Sequence[str] = ("run_id", "price_file", *TEMPLATED)
    id_argument = RUN_ID
    operator_extra_links = RUN_LINKS
    waits_for = RunSnapshot
    trigger_class = OmicsRunTrigger

    def __init__(self, *, run_id: str, usage: str = "off", price_file: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run_id = run_id
        self.usage = usage
        self.price_file = price_file
        self.start_in_triggerer()

    def trigger_arguments(self) -> dict[str, Any]:
        """Return which run the trigger waits for."""
        return {"run_id": self.run_id}

    def checked_arguments(self, context: Context) -> dict[str, Any]:
        """Return which run the trigger waits for, checked."""
        issues = list(self.own_issues())
        if issues:
            raise OmicsRequestInvalidError("GetRun", issues)
        return {"run_id": check_run_id("GetRun", self.run_id)}

    def store_links(self, context: Context, arguments: dict[str, Any]) -> None:
        """Store the links to the run and its logs."""
        store_run_links(context, self, self.hook, arguments["run_id"])

    def note_end(self, context: Context, snapshot: RunSnapshot) -> None:
        """Look up what the run used and cost, log and push it."""
        log_without_effect(self)
        add_run_usage(self, context, snapshot, "GetRun")

    def result(self, snapshot: RunSnapshot) -> dict[str, Any]:
        """Return the run's id and UUID, and where its outputs are."""
        details = self.look_up_details(snapshot)
        if snapshot.phase is not Phase.SUCCEEDED:
            raise OmicsRunFailedError(self.explain(details))
        self.log.info("%s", details.completion)
        return run_result(details.run)
