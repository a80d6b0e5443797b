"""What Airflow's provider manager reads about this package; imports nothing from Airflow."""

from __future__ import annotations

from typing import Any

from airflow_provider_omics import __version__

_INTEGRATION = "AWS HealthOmics"

#: Pages of the documentation that say how to use a class, by folder.
_GUIDES = {
    "operators": (
        "OmicsStartRunOperator",
        "OmicsCancelRunOperator",
        "OmicsDeleteRunOperator",
        "OmicsStartRunBatchOperator",
        "OmicsCancelRunBatchOperator",
        "OmicsDeleteRunBatchOperator",
        "OmicsDeleteBatchOperator",
        "OmicsPreflightOperator",
        "OmicsEstimateCostOperator",
        "OmicsAnalyzeRunsOperator",
        "OmicsPruneRunsOperator",
        "OmicsPruneRunBatchesOperator",
        "OmicsCreateWorkflowOperator",
        "OmicsCreateWorkflowVersionOperator",
        "OmicsDeleteWorkflowOperator",
        "OmicsDeleteWorkflowVersionOperator",
        "OmicsCreateRunGroupOperator",
        "OmicsCreateRunCacheOperator",
        "OmicsCreateConfigurationOperator",
        "OmicsDeleteRunGroupOperator",
        "OmicsDeleteRunCacheOperator",
        "OmicsDeleteConfigurationOperator",
    ),
    "sensors": (
        "OmicsRunSensor",
        "OmicsBatchSensor",
        "OmicsBatchRunSensor",
        "OmicsWorkflowSensor",
        "OmicsConfigurationSensor",
    ),
    "triggers": (
        "OmicsRunTrigger",
        "OmicsBatchTrigger",
        "OmicsBatchRunTrigger",
        "OmicsRunEventTrigger",
        "OmicsWorkflowTrigger",
        "OmicsConfigurationTrigger",
    ),
}

_NAMESPACE = """\
Tells the runs and batches of this Airflow deployment from those that other deployments start in the
same AWS account for DAGs, DAG runs and tasks of the same names: a task takes over or cancels only jobs
of its own namespace. 1 to 64 characters, the same for every component of the deployment. Without it, a
digest of the deployment's base_url or, where that is of one machine only, of its Fernet key.
"namespace" under "omics" in the service_config of a connection wins.
"""


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description, by the provider info schema of Airflow."""
    return {
        "package-name": "airflow-provider-omics",
        "name": _INTEGRATION,
        "description": "Run genomics workflows (WDL, Nextflow, CWL) on AWS HealthOmics.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://docs.aws.amazon.com/omics/latest/dev/what-is-healthomics.html",
                "logo": "/docs/_static/logo.svg",
                "how-to-guide": [f"/docs/{folder}/{name}.md" for folder, names in _GUIDES.items() for name in names],
                "tags": ["aws", "service"],
            }
        ],
        "hooks": [_modules("hooks.omics")],
        "operators": [
            _modules(
                "operators.account",
                "operators.account_end",
                "operators.analysis",
                "operators.batch",
                "operators.batch_end",
                "operators.cost",
                "operators.preflight",
                "operators.prune",
                "operators.run",
                "operators.run_end",
                "operators.workflow",
                "operators.workflow_end",
            )
        ],
        "sensors": [_modules("sensors.batch", "sensors.configuration", "sensors.run", "sensors.workflow")],
        "triggers": [
            _modules(
                "triggers.batch",
                "triggers.configuration",
                "triggers.events",
                "triggers.run",
                "triggers.workflow",
            )
        ],
        "extra-links": [
            f"airflow_provider_omics.links.omics.{link}"
            for link in (
                "OmicsRunLink",
                "OmicsRunLogLink",
                "OmicsEngineLogLink",
                "OmicsRunListLink",
                "OmicsResultsLink",
                "OmicsReportLink",
                "OmicsFailedRunLogLink",
                "OmicsCohortPageLink",
            )
        ],
        "config": {
            "omics": {
                "description": "Options of airflow-provider-omics.",
                "options": {
                    "namespace": {
                        "description": _NAMESPACE,
                        "version_added": "0.2.0",
                        "type": "string",
                        "example": "prod",
                        "default": "",
                    },
                },
            },
        },
    }


def _modules(*names: str) -> dict[str, Any]:
    return {
        "integration-name": _INTEGRATION,
        "python-modules": [f"airflow_provider_omics.{name}" for name in names],
    }
