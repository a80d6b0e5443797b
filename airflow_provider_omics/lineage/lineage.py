"""Lineage of one job: its datasets, and what the run facet says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_omics.healthomics.api.failures import advise
from airflow_provider_omics.healthomics.results.outcome import BatchOutcome
from airflow_provider_omics.healthomics.runs.snapshot import RunSnapshot
from airflow_provider_omics.lineage.datasets import Datasets

FACET = "omics_workflow"
"""The name of the run facet, as OpenLineage has those that are not its own named."""
FACET_CLASS = "OmicsWorkflowRunFacet"
FACET_SCHEMA = f"urn:airflow-provider-omics:facet:{FACET_CLASS}:1#/$defs/{FACET_CLASS}"
"""The pointer to its schema, which is in ``OmicsWorkflowRunFacet.json`` in this package."""

_WORKFLOW = ("workflowId", "workflowVersionName", "digest", "engineVersion")


@dataclass
class Lineage:
    """Lineage of a run or of a cohort.

    :ivar facts: members of the run facet.
    :ivar problem: the first line of what went wrong; None for a job that went well.
    """

    inputs: Datasets = field(default_factory=Datasets)
    outputs: Datasets = field(default_factory=Datasets)
    facts: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None

    def note_workflow(self, shown: Mapping[str, Any]) -> None:
        """Note the workflow.

        :param shown: the answer of GetRun, or members of the request.
        """
        self.facts.update({name: str(shown[name]) for name in _WORKFLOW if shown.get(name) is not None})

    def note_run(self, run: RunSnapshot) -> None:
        """Note a run as it ended."""
        known = {
            "kind": run.KIND,
            "id": run.run_id,
            "uuid": run.uuid,
            "arn": run.arn,
            "status": run.status,
            "outputUri": run.output_uri,
        }
        if run.failure_code is not None:
            known |= {"failureCode": run.failure_code, "failureClass": str(advise(run.failure_code).failure_class)}
        self.facts.update({name: value for name, value in known.items() if value is not None})

    def note_cohort(self, outcome: BatchOutcome) -> None:
        """Note a cohort as it ended."""
        summary = outcome.summary()
        self.facts |= {
            "kind": "batch",
            "id": summary["batch_id"],
            "batchIds": summary["batch_ids"],
            "status": summary["status"],
            "outcome": summary["outcome"],
            "samples": asdict(outcome.counts),
            "failureClasses": summary["failure_classes"],
        }
        for uri in (outcome.results_uri, outcome.results_jsonl_uri):
            self.outputs.add(uri)

    def facet(self) -> dict[str, Any]:
        """Return the members of the run facet, with how many datasets it does not name."""
        more = {"moreInputs": self.inputs.more, "moreOutputs": self.outputs.more}
        return {**self.facts, **{name: count for name, count in more.items() if count}}
