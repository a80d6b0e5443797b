"""The XCom keys are those of release 0.1.0, each is described, and each operator's docstring names its own."""

from __future__ import annotations

import inspect

from airflow_provider_omics.operators import xcom_keys
from airflow_provider_omics.operators.account import (
    OmicsCreateConfigurationOperator,
    OmicsCreateRunCacheOperator,
    OmicsCreateRunGroupOperator,
)
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator
from airflow_provider_omics.operators.prune import OmicsPruneRunBatchesOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator
from airflow_provider_omics.operators.workflow import OmicsCreateWorkflowOperator, OmicsCreateWorkflowVersionOperator

RUN = {"run_arn", "run_uuid", "run_output_uri", "run_cache_hits", "run_usage", "cost_estimate"}
BATCH = {
    *("batch_id", "batch_arn", "batch_summary", "results_uri", "failed_run_setting_ids", "failures", "runs"),
    *("cost_estimate", "report_uri"),
}
WORKFLOW = {"workflow_arn", "workflow_uuid", "workflow_is_new"}
VERSION = {"workflow_id", *WORKFLOW}
RESOURCE = {"resource_arn", "resource_is_new"}
PRUNING = {"batches_being_pruned"}
DESCRIBED = (
    (OmicsStartRunOperator, RUN),
    (OmicsStartRunBatchOperator, BATCH),
    (OmicsCreateWorkflowOperator, WORKFLOW),
    (OmicsCreateWorkflowVersionOperator, VERSION),
    (OmicsCreateRunGroupOperator, RESOURCE),
    (OmicsCreateRunCacheOperator, RESOURCE),
    (OmicsCreateConfigurationOperator, RESOURCE),
    (OmicsPruneRunBatchesOperator, PRUNING),
)


def test_the_keys_are_those_that_dags_have_written() -> None:
    keys = {name: value for name, value in vars(xcom_keys).items() if name.startswith("XCOM_")}
    assert set(keys.values()) == RUN | BATCH | VERSION | RESOURCE | PRUNING
    assert all(name == f"XCOM_{value.upper()}_KEY" for name, value in keys.items())


def test_docstrings_name_them() -> None:
    for operator, keys in DESCRIBED:
        text = inspect.getdoc(operator) or ""
        assert [key for key in keys if f"``{key}``" not in text] == []
