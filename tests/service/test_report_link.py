"""The extra links of a cohort's task, on every Airflow: its page or, before Airflow 3.1, its report alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cohorts import BUCKET, OUT, ROLE, cohort, instance
from task_runs import run_task

from airflow_provider_omics.compat import HAS_COHORT_PAGE
from airflow_provider_omics.links.omics import OmicsReportLink
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    omics_local.client("s3").create_bucket(Bucket=BUCKET)
    return omics_local


def test_a_cohort_is_linked_to_its_report_whether_or_not_airflow_has_a_page_for_it(
    aws: LocalOmics, make_workflow: Callable[..., str]
) -> None:
    arguments = {"workflow_id": make_workflow(), "role_arn": ROLE, "output_uri": OUT, "waiter_delay": 0.02}
    task = OmicsStartRunBatchOperator(task_id="cohort", run_settings=cohort(2), report=True, **arguments)
    assert ("Cohort page" in {link.name for link in task.operator_extra_links}) is HAS_COHORT_PAGE
    assert "Report" in {link.name for link in task.operator_extra_links}

    xcoms = run_task(task, instance()).ti.xcoms

    place = xcoms["report_uri"].removeprefix(f"s3://{BUCKET}/").replace("/", "%2F")
    assert place.endswith(".html")
    link = xcoms[OmicsReportLink().xcom_key]
    assert link == f"https://us-east-1.console.aws.amazon.com/s3/object/{BUCKET}?region=us-east-1&prefix={place}"
