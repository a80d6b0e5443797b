"""Sensors for batches of runs, and for one of their samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.batch_glance import glance, some_failures
from airflow_provider_omics.healthomics.batch_looks import BatchGoal
from airflow_provider_omics.healthomics.batch_outcome import Tolerance, tolerance_issues
from airflow_provider_omics.healthomics.batch_requests import check_batch_id
from airflow_provider_omics.healthomics.batch_views import BatchView, SampleView
from airflow_provider_omics.healthomics.exceptions import (
    OmicsBatchFailedError,
    OmicsRequestInvalidError,
    OmicsRunFailedError,
    OmicsSampleFailedError,
    OmicsServiceError,
)
from airflow_provider_omics.healthomics.looks import same_run
from airflow_provider_omics.healthomics.model import Issue
from airflow_provider_omics.healthomics.outcome import RunView
from airflow_provider_omics.healthomics.results import SampleResult
from airflow_provider_omics.healthomics.samples import SampleFailure, check_sample
from airflow_provider_omics.healthomics.statuses import Phase
from airflow_provider_omics.hooks.parameters import TEMPLATED
from airflow_provider_omics.links.omics import BATCH_LINKS, RUN_LINKS, store_batch_links, store_run_links
from airflow_provider_omics.sensors.waiting import OmicsWaitingSensor
from airflow_provider_omics.triggers.batch import OmicsBatchRunTrigger, OmicsBatchTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_TOLD_FAILURES = 5
_TARGETS = ("completed", "submitted")


class OmicsBatchSensor(OmicsWaitingSensor[BatchView]):
    """Wait until a batch is PROCESSED, whoever started it; fail at once if it ends otherwise.

    PROCESSED only says that every run has ended, so the sensor also fails if more samples than tolerated did not
    complete: submissions that failed, and runs that failed or were cancelled or deleted. A batch that ended FAILED or
    CANCELLED is not waited for any longer, even if runs of it go on.

    Returns ``{"batch_id": ..., "status": ..., "total": ..., "completed": ..., ...}`` with the counts of
    :class:`~airflow_provider_omics.healthomics.results.BatchCounts`. ``deferrable`` and ``start_from_trigger`` are
    described in :class:`~airflow_provider_omics.sensors.waiting.OmicsWaitingSensor`, the connection parameters in
    :mod:`airflow_provider_omics.hooks.parameters`.

    See https://docs.aws.amazon.com/omics/latest/api/API_GetBatch.html

    :param batch_id: id of the batch (templated).
    :param tolerated_failure_count: how many samples may end otherwise than completed, at least 0.
    :param tolerated_failure_percentage: the same as a share of the samples, 0 to 100; the larger of the two holds.
    """

    template_fields: Sequence[str] = ("batch_id", *TEMPLATED)
    operator_extra_links = BATCH_LINKS
    waits_for = BatchView
    trigger_class = OmicsBatchTrigger

    def __init__(
        self,
        *,
        batch_id: str,
        tolerated_failure_count: int = 0,
        tolerated_failure_percentage: float = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.batch_id = batch_id
        self.tolerated_failure_count = tolerated_failure_count
        self.tolerated_failure_percentage = tolerated_failure_percentage
        self.start_in_triggerer()

    def own_issues(self) -> Iterator[Issue]:
        """Yield what is wrong with the tolerance."""
        yield from super().own_issues()
        yield from tolerance_issues(self.tolerated_failure_count, self.tolerated_failure_percentage)

    def trigger_arguments(self) -> dict[str, Any]:
        """Return which batch the trigger waits for."""
        return {"batch_id": self.batch_id, "goal": BatchGoal.DECIDED.value}

    def checked_arguments(self) -> dict[str, Any]:
        """Return which batch the trigger waits for, checked."""
        issues = list(self.own_issues())
        if issues:
            raise OmicsRequestInvalidError("GetBatch", issues)
        return {**self.trigger_arguments(), "batch_id": check_batch_id("GetBatch", self.batch_id)}

    def store_links(self, context: Context, arguments: dict[str, Any]) -> None:
        """Store the link to the runs."""
        store_batch_links(context, self, self.hook, arguments["batch_id"])

    def result(self, view: BatchView) -> dict[str, Any]:
        """Return how the batch ended, with its counts."""
        tolerance = Tolerance(self.tolerated_failure_count, self.tolerated_failure_percentage)
        outcome = glance(view, tolerance)
        # A batch that says nothing of its samples proves nothing.
        if view.phase is not Phase.SETTLED or not outcome.counts.total or not outcome.succeeded:
            raise OmicsBatchFailedError(replace(outcome, failures=self._failures(view)))
        self.log.info(
            "HealthOmics %s is %s: %s of %s samples COMPLETED (tolerated failures: %s)",
            view.label,
            view.status,
            outcome.counts.completed,
            outcome.counts.total,
            outcome.tolerated,
        )
        return {"batch_id": view.batch_id, "status": view.status, **asdict(outcome.counts)}

    def _failures(self, view: BatchView) -> tuple[SampleResult, ...]:
        try:
            retrying = replace(self.retrying, only_passing=True)
            return self.hook.perform(some_failures(view, _TOLD_FAILURES), view.label, retrying=retrying)
        except OmicsServiceError as error:
            self.log.warning("The failures of HealthOmics %s could not be looked up: %s", view.label, error)
            return ()


class OmicsBatchRunSensor(OmicsWaitingSensor[SampleView]):
    """Wait until one sample of a batch has COMPLETED, or was submitted; fail at once, with the cause, if it will not.

    It does not wait for the rest of the batch. A sample that the batch does not show is waited for until the batch has
    submitted its samples, and for a minute more.

    Returns ``{"batch_id": ..., "run_setting_id": ..., "run_id": ..., "run_uuid": ..., "run_output_uri": ...}``.
    ``deferrable`` and ``start_from_trigger`` are described in
    :class:`~airflow_provider_omics.sensors.waiting.OmicsWaitingSensor`, the connection parameters in
    :mod:`airflow_provider_omics.hooks.parameters`.

    See https://docs.aws.amazon.com/omics/latest/api/API_ListRunsInBatch.html

    :param batch_id: id of the batch (templated).
    :param run_setting_id: the sample, as the batch's run settings name it (templated).
    :param target: ``completed`` to wait until its run has COMPLETED, ``submitted`` until it has become a run; then
        ``run_output_uri`` is None if the service does not show it yet.
    """

    template_fields: Sequence[str] = ("batch_id", "run_setting_id", *TEMPLATED)
    operator_extra_links = (*BATCH_LINKS, *RUN_LINKS)
    waits_for = SampleView
    trigger_class = OmicsBatchRunTrigger

    def __init__(self, *, batch_id: str, run_setting_id: str, target: str = "completed", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.batch_id = batch_id
        self.run_setting_id = run_setting_id
        self.target = target
        self.start_in_triggerer()

    def own_issues(self) -> Iterator[Issue]:
        """Yield what is wrong with the target."""
        yield from super().own_issues()
        if self.target not in _TARGETS:
            yield Issue("target", f"is {self.target!r}", f"Use one of {', '.join(_TARGETS)}")

    def trigger_arguments(self) -> dict[str, Any]:
        """Return which sample the trigger waits for, and what for."""
        return {"batch_id": self.batch_id, "run_setting_id": self.run_setting_id, "target": self.target}

    def checked_arguments(self) -> dict[str, Any]:
        """Return which sample the trigger waits for, and what for, checked."""
        batch_id, sample = check_sample(self.batch_id, self.run_setting_id, list(self.own_issues()))
        return {"batch_id": batch_id, "run_setting_id": sample, "target": self.target}

    def store_links(self, context: Context, arguments: dict[str, Any]) -> None:
        """Store the link to the runs of the batch."""
        store_batch_links(context, self, self.hook, arguments["batch_id"])

    def store_links_of(self, context: Context, view: SampleView) -> None:
        """Store the links to the sample's run and its logs."""
        # The service gives ids of deleted runs to others.
        if view.run is not None and view.phase is not Phase.DELETED:
            store_run_links(context, self, self.hook, view.run.run_id)

    def result(self, view: SampleView) -> dict[str, Any]:
        """Return the sample's run and where its outputs are, or will be."""
        run = view.run
        if run is None or view.batch_is_gone:
            raise OmicsSampleFailedError(SampleFailure(view))
        # What becomes of the run later is no matter of its submission.
        submitted = self.target == "submitted" and view.phase not in (Phase.CANCELLED, Phase.DELETED)
        if view.phase is not Phase.SUCCEEDED and not submitted:
            raise OmicsRunFailedError(replace(self.explain(run), sample=view.label))
        run = self._with_outputs(run)
        self.log.info("%s; its outputs are in %s", view.describe(), run.output_uri)
        return {
            "batch_id": view.batch_id,
            "run_setting_id": view.run_setting_id,
            "run_id": run.run_id,
            "run_uuid": run.uuid,
            "run_output_uri": run.output_uri,
        }

    def _with_outputs(self, run: RunView) -> RunView:
        # Where very many samples end at once, the triggerer does not look at each of them.
        seen = self.retrying(lambda: self.hook.look_up(run.run_id)) if run.output_uri is None else None
        return run if seen is None or same_run(run, seen).phase is Phase.DELETED else seen
