"""Where a cohort's settings and results go: proved by a small write before anything is submitted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException
from cohorts import BUCKET, MODES, OUT, ROLE, CohortLab, cohort, instance
from omics_errors import raises
from task_runs import TaskInstance, run_task

from airflow_provider_omics.exceptions import OmicsRequestInvalidError, OmicsServiceError
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


def refused(lab: CohortLab, **settings: Any) -> OmicsServiceError:
    """Run a cohort that cannot write where it should, and return what it said before anything was submitted."""
    with pytest.raises(OmicsServiceError) as caught:
        lab.run(cohort(2), **settings)
    assert lab.calls("StartRunBatch") == 0
    assert "Nothing was submitted" in caught.value.message()
    return caught.value


@MODES
@pytest.mark.parametrize("parameter", ["settings_uri", "results_uri"])
def test_a_wrong_bucket_is_found_out_before_the_start(lab: CohortLab, parameter: str, deferrable: bool) -> None:
    error = refused(lab, deferrable=deferrable, **{parameter: "s3://no-such-bucket/x"})
    assert isinstance(error, AirflowFailException)
    assert error.code == "NoSuchBucket"
    assert f"PutObject for {parameter} s3://no-such-bucket/x/" in error.message()
    assert "Check the bucket's name" in error.message()


def deny(lab: CohortLab, action: str, path: str) -> None:
    """Let nobody do something with the objects of a path."""
    statement = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{BUCKET}/{path}"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    lab.s3.put_bucket_policy(Bucket=BUCKET, Policy=policy)


@MODES
def test_a_place_that_may_not_be_written_to_is_found_out_before_the_start(lab: CohortLab, deferrable: bool) -> None:
    deny(lab, "s3:PutObject", "locked/*")
    error = refused(lab, deferrable=deferrable, results_uri=f"s3://{BUCKET}/locked/table.csv")
    assert (error.http_status, error.operation) == (403, "PutObject")
    assert f"results_uri s3://{BUCKET}/locked/table" in error.message()
    assert "Let the caller use s3:PutObject there" in error.message()


def test_a_bucket_of_another_region_is_found_out_before_the_start(lab: CohortLab) -> None:
    lab.fault("s3:PUT", count=None, code="AuthorizationHeaderMalformed", http_status=400)
    assert "The bucket is in another Region" in refused(lab).message()


@pytest.mark.parametrize("code", ["KMS.DisabledException", "KMS.NotFoundException", "KMS.KMSInvalidStateException"])
def test_a_key_that_does_not_work_is_found_out_before_the_start(lab: CohortLab, code: str) -> None:
    lab.fault("s3:PUT", count=None, code=code, http_status=400)
    error = refused(lab)
    assert isinstance(error, AirflowFailException)
    assert "Check the KMS key" in error.message()


@MODES
def test_what_proves_a_place_is_deleted_again(lab: CohortLab, deferrable: bool) -> None:
    lab.run(cohort(2), deferrable=deferrable)
    assert not [key for key in lab.objects() if "write-test" in key]


def test_what_may_not_be_deleted_stays_and_is_no_failure(lab: CohortLab) -> None:
    deny(lab, "s3:DeleteObject", "*")
    lab.run(cohort(2))
    assert len([key for key in lab.objects() if key.endswith(".write-test")]) == 2
    assert lab.calls("StartRunBatch") == 1


def test_a_task_that_writes_no_results_needs_no_place_for_them(lab: CohortLab) -> None:
    lab.run(cohort(2), results_uri="s3://no-such-bucket/x", wait_for_completion=False)
    assert lab.calls("StartRunBatch") == 1


def test_a_try_that_takes_over_a_batch_proves_nothing(lab: CohortLab) -> None:
    ti = lab.crash(cohort(2))
    lab.fault("s3:PUT", skip=2, count=None, code="AccessDenied", http_status=403)
    done = lab.run(cohort(2), instance(2, xcoms=ti.xcoms), wait_for_completion=False)
    assert done.result is not None
    assert lab.calls("StartRunBatch") == 1


def mapped(lab: CohortLab, partial: dict[str, Any], expand: Any, map_index: int = 0, **resolved: Any) -> Any:
    """Run one instance of a mapped task as Airflow makes it, in its DAG.

    :param expand: what ``expand`` takes, or a list for ``expand_kwargs``.
    :param resolved: the values of this instance.
    """
    with DAG("cohort", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        given = {"task_id": "cohort", "workflow_id": lab.workflow_id, "role_arn": ROLE, "output_uri": OUT}
        tasks = OmicsStartRunBatchOperator.partial(**given, waiter_delay=0.02, **partial)
        task = tasks.expand_kwargs(expand) if isinstance(expand, list) else tasks.expand(**expand)
    ti = TaskInstance(task_id="cohort", map_index=map_index)
    instance = task.unmap(resolved)
    return run_task(instance, ti, task=instance)


SAMPLES: list[Any] = [cohort(1), cohort(1)]


@pytest.mark.parametrize(
    "place",
    [f"s3://{BUCKET}/table.csv", f"s3://{BUCKET}/{{{{ run_id }}}}/", f"s3://{BUCKET}/{{{{ task.task_id }}}}/"],
)
def test_a_place_that_all_mapped_instances_share_is_refused(lab: CohortLab, place: str) -> None:
    with raises(OmicsRequestInvalidError, match=r"results_uri: .* is the same for all instances") as caught:
        mapped(lab, {"results_uri": place}, {"run_settings": SAMPLES}, run_settings=cohort(1))
    assert isinstance(caught.value, AirflowFailException)
    assert "{{ ti.map_index }}" in caught.value.message()
    assert lab.calls("StartRunBatch") == 0


def test_instances_with_a_place_each_are_run(lab: CohortLab) -> None:
    place = f"s3://{BUCKET}/{{{{ ti.map_index }}}}/table.csv"
    for index in range(2):
        expand = {"run_settings": SAMPLES}
        mapped(lab, {"results_uri": place}, expand, index, run_settings=cohort(1))
    assert {"0/table.csv", "1/table.csv"} <= set(lab.objects())
    places = [f"s3://{BUCKET}/a", f"s3://{BUCKET}/b"]
    both = [{"run_settings": cohort(1), "results_uri": uri} for uri in places]
    mapped(lab, {}, both, run_settings=cohort(1), results_uri=places[0])
    assert "a/results.csv" in lab.objects()
    mapped(lab, {"run_settings": cohort(1)}, {"results_uri": places}, results_uri=places[1])
    assert "b/results.csv" in lab.objects()
    assert lab.calls("StartRunBatch") == 4


def test_the_default_place_is_every_instances_own(lab: CohortLab) -> None:
    uris = {
        mapped(lab, {}, {"run_settings": SAMPLES}, n, run_settings=cohort(1)).ti.xcoms["results_uri"] for n in range(2)
    }
    assert len(uris) == 2


@pytest.mark.parametrize(
    "expand",
    [
        [{"run_settings": cohort(1), "results_uri": f"s3://{BUCKET}/a"}] * 2,
        {"run_settings": SAMPLES, "results_uri": [f"s3://{BUCKET}/a", f"s3://{BUCKET}/b"]},
    ],
    ids=["the same twice", "every combination"],
)
def test_values_that_instances_share_are_refused(lab: CohortLab, expand: Any) -> None:
    with raises(OmicsRequestInvalidError, match="is the same for all instances"):
        mapped(lab, {}, expand, run_settings=cohort(1), results_uri=f"s3://{BUCKET}/a")


def test_a_task_of_a_mapped_group_is_a_mapped_instance_too(lab: CohortLab) -> None:
    for place in (f"s3://{BUCKET}/table.csv", f"s3://{BUCKET}/{{{{ ds }}}}"):
        with raises(OmicsRequestInvalidError, match="is the same for all instances"):
            lab.run(cohort(1), instance(map_index=3), results_uri=place, context={"ds": "2026-01-01"})
