"""Lineage of the operators that start jobs, for OpenLineage: told by events of Airflow's OpenLineage provider."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_omics import __version__
from airflow_provider_omics.healthomics.api.calls import one_request, or_none
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.jobs.kinds import JobT
from airflow_provider_omics.lineage.datasets import Datasets
from airflow_provider_omics.lineage.lineage import FACET, FACET_CLASS, FACET_SCHEMA, Lineage
from airflow_provider_omics.operators.cost_base import OmicsCostOperator

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

MOST_SAMPLES = 50
"""Most samples whose own inputs and outputs are told; of larger cohorts it is the tables that name them."""
_OUTPUTS = "logs/outputs.json"
_MOST_BYTES = 10_000_000
_PRODUCER = f"urn:airflow-provider-omics:{__version__}"


class OmicsLineageOperator(OmicsCostOperator[JobT]):
    """Base of the operators that start a job: what OpenLineage is told of it.

    What only the service knows is looked up by the task itself, and only where OpenLineage is set up: what tells it
    runs in a process of its own that cannot ask Airflow for a connection.
    """

    _lineage: Lineage | None = None

    @abstractmethod
    def note_arguments(self, inputs: Datasets) -> None:
        """Note the inputs that the arguments name, without a call."""

    def get_openlineage_facets_on_start(self) -> OperatorLineage[Any, Any]:
        """Return the inputs that the arguments name."""
        return _as_openlineage(self._lineage_so_far())

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return inputs, outputs and the run facet of a job that went well.

        :param task_instance: of the task.
        """
        return _as_openlineage(self._lineage_so_far())

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return inputs, outputs as far as there are any, and the run facet of a job that did not go well.

        :param task_instance: of the task.
        """
        return _as_openlineage(self._lineage_so_far(), with_problem=True)

    def new_lineage(self) -> Lineage | None:
        """Return what the end of a job is to be noted in; None where nobody is told of it."""
        if not openlineage_is_on():
            return None
        self._lineage = Lineage()
        self.note_arguments(self._lineage.inputs)
        return self._lineage

    def note_run_lineage(self, run: RunSnapshot) -> None:
        """Note what a run that has ended has read and written (GetRun, and its ``outputs.json``); best effort."""
        try:
            lineage = self.new_lineage()
            if lineage is None:
                return
            lineage.note_run(run)
            self.note_details(lineage, run.run_id, run.uuid)
            self.note_outputs(lineage, [run.output_uri])
            if run.failure_code is not None or run.status != "COMPLETED":
                lineage.problem = f"HealthOmics {run.label} ended {run.status}: {run.failure_code or 'no failure code'}"
        except Exception as error:
            self.log.warning("%s", entry("The lineage of %s is not complete: %s", run.label, error))

    def note_details(self, lineage: Lineage, run_id: str | None, uuid: str | None) -> None:
        """Note workflow, digest and parameters of a run (GetRun)."""
        if run_id is None:
            return
        shown: Mapping[str, Any] | None = self.hook.send_requests(
            or_none(one_request("GetRun", {"id": run_id})), f"run {run_id}"
        )
        # Its id may be another run's by now.
        if shown is not None and uuid in (None, shown.get("uuid")):
            lineage.note_workflow(shown)
            lineage.inputs.note_inputs(shown.get("parameters"))

    def note_outputs(self, lineage: Lineage, output_uris: Iterable[str | None]) -> None:
        """Note the outputs of runs: those that ``outputs.json`` names, or else the folder."""
        for output_uri in filter(None, output_uris):
            before = len(lineage.outputs)
            uri = f"{output_uri.rstrip('/')}/{_OUTPUTS}"
            if self.hook.inputs.exists(uri):
                with self.hook.inputs.open(uri) as stream:
                    lineage.outputs.note_outputs(json.loads(stream.read(_MOST_BYTES)))
            if len(lineage.outputs) == before:
                lineage.outputs.add(output_uri)

    def _lineage_so_far(self) -> Lineage:
        if self._lineage is not None:
            return self._lineage
        lineage = Lineage()
        self.note_arguments(lineage.inputs)
        given = {"workflowId": "workflow_id", "workflowVersionName": "workflow_version_name"}
        lineage.note_workflow({name: getattr(self, argument, None) for name, argument in given.items()})
        return lineage


def openlineage_is_on() -> bool:
    """Whether OpenLineage is installed and set up."""
    try:
        from airflow.providers.openlineage import conf
    except ImportError:
        return False
    return not conf.is_disabled()


def _as_openlineage(lineage: Lineage, *, with_problem: bool = False) -> OperatorLineage[Any, Any]:
    import attrs
    from airflow.providers.common.compat.openlineage.facet import Dataset, ErrorMessageRunFacet, RunFacet
    from airflow.providers.openlineage.extractors import OperatorLineage

    members = lineage.facet()
    kind = attrs.make_class(
        FACET_CLASS,
        {name: attrs.field() for name in members},
        bases=(RunFacet,),
        class_body={"_get_schema": staticmethod(lambda: FACET_SCHEMA)},
        kw_only=True,
    )
    facets: dict[str, Any] = {FACET: kind(**members, producer=_PRODUCER)} if members else {}
    if with_problem and lineage.problem is not None:
        facets["errorMessage"] = ErrorMessageRunFacet(message=lineage.problem, programmingLanguage="python")
    return OperatorLineage(
        inputs=[Dataset(namespace=one.namespace, name=one.name) for one in lineage.inputs],
        outputs=[Dataset(namespace=one.namespace, name=one.name) for one in lineage.outputs],
        run_facets=facets,
    )
