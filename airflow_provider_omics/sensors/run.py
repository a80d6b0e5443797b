"""Sensor for one run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import PokeReturnValue, conf
from airflow.triggers.base import StartTriggerArgs

from airflow_provider_omics.compat import triggerer_can_render
from airflow_provider_omics.exceptions import failing_at_once
from airflow_provider_omics.healthomics.exceptions import OmicsRunFailedError, OmicsWaitError
from airflow_provider_omics.healthomics.requests import check_run_id
from airflow_provider_omics.healthomics.statuses import Phase
from airflow_provider_omics.healthomics.waiting import RunWait, Stop, WaitEnd, look_once
from airflow_provider_omics.hooks.parameters import TEMPLATED, ConnectionParameters
from airflow_provider_omics.links.omics import RUN_LINKS, store_run_links
from airflow_provider_omics.sensors.base import OmicsBaseSensor
from airflow_provider_omics.triggers.run import BACKSTOP, OmicsRunTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class OmicsRunSensor(OmicsBaseSensor):
    """Wait until a run has COMPLETED, whoever started it; fail at once, with the cause, if it ends otherwise.

    Returns ``{"run_id": ..., "run_output_uri": ...}``. ``timeout``, ``poke_interval``, ``soft_fail`` and ``mode`` are
    Airflow's, also while deferred. The connection parameters are described in
    :mod:`airflow_provider_omics.hooks.parameters`.

    See https://docs.aws.amazon.com/omics/latest/api/API_GetRun.html

    :param run_id: id of the run (templated).
    :param deferrable: whether to wait in the triggerer, without a worker; the default is Airflow's
        ``[operators] default_deferrable``.
    :param start_from_trigger: whether to go to the triggerer straight from the scheduler, without a worker first.
        The sensor defers from a worker all the same where the triggerer could not know its arguments: when it is
        mapped, when a template pulls an XCom, and before Airflow 3.3 with any template.
    """

    template_fields: Sequence[str] = ("run_id", *TEMPLATED)
    operator_extra_links = RUN_LINKS

    def __init__(
        self,
        *,
        run_id: str,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        start_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.run_id = run_id
        self.deferrable = deferrable or start_from_trigger
        self.start_from_trigger = start_from_trigger and self._triggerer_can_start()
        if self.start_from_trigger:
            self.start_trigger_args = self._start_trigger_args()
        self._wait: RunWait | None = None

    def execute(self, context: Context) -> Any:
        """Wait in the worker, or hand over to the triggerer."""
        if not self.deferrable:
            return super().execute(context)
        with failing_at_once(self):
            run_id = check_run_id("GetRun", self.run_id)
            store_run_links(context, self, self.hook, run_id)
        self.defer(
            trigger=OmicsRunTrigger(run_id=run_id, deadline=time.time() + self._limit(), **self._trigger_kwargs()),
            method_name="execute_complete",
            timeout=timedelta(seconds=self._limit()) + BACKSTOP,
        )
        return None

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the run once."""
        with failing_at_once(self):
            run_id = check_run_id("GetRun", self.run_id)
            if self._wait is None:
                store_run_links(context, self, self.hook, run_id)
                self._wait = OmicsRunTrigger(run_id=run_id, **self._trigger_kwargs()).new_wait()
            end = look_once(self._wait, lambda: self.hook.get_run(run_id), self.log)
            if end is None:
                return PokeReturnValue(is_done=False)
            return PokeReturnValue(is_done=True, xcom_value=self._finish(end))

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, str | None]:
        """Finish the task after the trigger has fired."""
        with failing_at_once(self):
            end = WaitEnd.from_payload(event)
            if self.start_from_trigger:
                store_run_links(context, self, self.hook, end.run_id)
            return self._finish(end)

    def _finish(self, end: WaitEnd) -> dict[str, str | None]:
        if end.why is not Stop.ENDED or end.run is None:
            raise OmicsWaitError(end)
        if end.run.phase is not Phase.SUCCEEDED:
            raise OmicsRunFailedError(self.hook.explain_failure(end.run))
        self.log.info("HealthOmics run %s COMPLETED; its outputs are in %s", end.run_id, end.run.output_uri)
        return {"run_id": end.run_id, "run_output_uri": end.run.output_uri}

    def _trigger_kwargs(self) -> dict[str, Any]:
        return {"waiter_delay": self.poke_interval, **ConnectionParameters.of(self).to_payload()}

    def _start_trigger_args(self) -> StartTriggerArgs:
        return StartTriggerArgs(
            trigger_cls=f"{OmicsRunTrigger.__module__}.{OmicsRunTrigger.__qualname__}",
            trigger_kwargs={"run_id": self.run_id, **self._trigger_kwargs()},
            next_method="execute_complete",
            timeout=timedelta(seconds=self._limit()),
        )

    def _triggerer_can_start(self) -> bool:
        arguments = [getattr(self, name) for name in self.template_fields]
        dag = self.dag if self.has_dag() else None  # type: ignore[no-untyped-call]
        # The triggerer has the DAG's serialised form, which leaves macros and filters out.
        own = dag is not None and bool(dag.user_defined_macros or dag.user_defined_filters)
        return all(triggerer_can_render(argument, own_macros=own) for argument in arguments)

    def _limit(self) -> float:
        if self.execution_timeout is None:
            return self.timeout
        return min(self.timeout, self.execution_timeout.total_seconds())
