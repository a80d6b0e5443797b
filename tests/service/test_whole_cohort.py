"""Whoever names one batch of a cohort that was redriven means all of them."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from cohorts import MODES, CohortLab, cohort, instance, lasting
from omics_errors import raises, unwrapped
from task_runs import TaskRun, run_task

from airflow_provider_omics.exceptions import OmicsServiceError
from airflow_provider_omics.local import LocalOmics, OutcomeRule, SimulatedOutcomes
from airflow_provider_omics.operators.batch import (
    OmicsCancelRunBatchOperator,
    OmicsDeleteBatchOperator,
    OmicsDeleteRunBatchOperator,
)


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any]) -> dict[str, Any]:
    """The runs of sample-1 and other-1 fail once."""
    rules = tuple(OutcomeRule(pattern=name, outcome="RUN_TASK_FAILED", times=1) for name in ("sample-1", "other-1"))
    return {**omics_local_settings, "outcomes": SimulatedOutcomes(rules=rules)}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


def redriven(lab: CohortLab, ti: Any = None, stem: str = "sample", **kwargs: Any) -> list[str]:
    """Return the batches of a cohort whose first one failed for one sample and whose second one mended that."""
    ti = ti or instance()
    before = set(lab.state.batches)
    settings = [{"runSettingId": f"{stem}-{n}"} for n in range(3)]
    lab.fail(settings, ti, **kwargs)
    ti.try_number += 1
    assert lab.run(settings, ti, **kwargs).result == ti.xcoms["batch_summary"]["batch_ids"][-1]
    batch_ids: list[str] = ti.xcoms["batch_summary"]["batch_ids"]
    assert set(batch_ids) == set(lab.state.batches) - before
    return batch_ids


def act(operator: Any, batch_id: str, **kwargs: Any) -> TaskRun:
    return run_task(operator(task_id="task", batch_id=batch_id, waiter_delay=0.02, **kwargs))


def statuses(lab: CohortLab, *batch_ids: str) -> list[str]:
    return [lab.omics.get_batch(batchId=batch_id)["status"] for batch_id in batch_ids]


class TestDelete:
    @MODES
    @pytest.mark.parametrize("place", [0, 1], ids=["first", "last"])
    def test_the_runs_of_every_batch_are_deleted(self, lab: CohortLab, deferrable: bool, place: int) -> None:
        other = redriven(lab, instance(run_id="another"), "other")
        batch_ids = redriven(lab)
        done = act(OmicsDeleteRunBatchOperator, batch_ids[place], deferrable=deferrable)
        assert done.result == batch_ids[place]
        assert statuses(lab, *batch_ids) == ["RUNS_DELETED", "RUNS_DELETED"]
        assert statuses(lab, *other) == ["PROCESSED", "PROCESSED"]
        assert len(done.triggers) == (2 if deferrable else 0)

    @MODES
    def test_the_record_of_every_batch_is_deleted(self, lab: CohortLab, deferrable: bool) -> None:
        batch_ids = redriven(lab)
        assert act(OmicsDeleteBatchOperator, batch_ids[-1], deferrable=deferrable).result == batch_ids[-1]
        assert lab.omics.list_batch()["items"] == []

    def test_one_batch_alone_where_that_is_asked_for(self, lab: CohortLab) -> None:
        batch_ids = redriven(lab)
        listed = lab.calls("ListBatch")
        act(OmicsDeleteRunBatchOperator, batch_ids[-1], whole_cohort=False)
        assert statuses(lab, *batch_ids) == ["PROCESSED", "RUNS_DELETED"]
        assert lab.calls("ListBatch") == listed

    def test_batches_of_a_name_of_ones_own_are_told_apart_by_their_task(self, lab: CohortLab) -> None:
        other = redriven(lab, instance(run_id="another"), "other", batch_name="nightly")
        batch_ids = redriven(lab, batch_name="nightly")
        act(OmicsDeleteRunBatchOperator, other[-1])
        assert statuses(lab, *other, *batch_ids) == ["RUNS_DELETED", "RUNS_DELETED", "PROCESSED", "PROCESSED"]

    def test_what_is_refused_for_one_batch_is_told_once_the_others_are_deleted(self, lab: CohortLab) -> None:
        batch_ids = redriven(lab)
        lab.fault("DeleteRunBatch", code="ConflictException", http_status=409)
        lab.fault("DeleteRunBatch", code="AccessDeniedException", http_status=403)
        with raises(OmicsServiceError, match=f"batch {batch_ids[0]}"):
            act(OmicsDeleteRunBatchOperator, batch_ids[-1])
        lab.state.timeline.run_due()
        assert statuses(lab, batch_ids[0]) == ["PROCESSED"]
        assert statuses(lab, batch_ids[1])[0].startswith("RUNS_DELET")

    @pytest.mark.parametrize("operator", [OmicsDeleteRunBatchOperator, OmicsDeleteBatchOperator])
    @pytest.mark.parametrize("place", [0, 1], ids=["first", "last"])
    def test_nothing_is_deleted_while_a_batch_of_the_cohort_goes_on(
        self, lab: CohortLab, operator: Any, place: int
    ) -> None:
        ti = instance()
        lab.fail(cohort(2), ti)
        first, ti.try_number = ti.xcoms["batch_id"], 2
        lab.crash([*cohort(1), lasting("sample-1", 3600)], ti)
        batch_ids = [first, ti.xcoms["batch_id"]]
        with raises(OmicsServiceError, match=f"(?s)batch {batch_ids[1]}.*cancel it"):
            act(operator, batch_ids[place])
        assert statuses(lab, first) == ["PROCESSED"]

    def test_a_cohort_that_had_succeeded_before_a_clear_is_another(self, lab: CohortLab) -> None:
        ti = instance()
        batch_ids = redriven(lab, ti)
        ti.try_number, ti.max_tries = 3, 2
        again = lab.run(cohort(3), ti).result
        assert again not in batch_ids
        act(OmicsDeleteRunBatchOperator, again)
        assert statuses(lab, *batch_ids, again) == ["PROCESSED", "PROCESSED", "RUNS_DELETED"]

    def test_untagged_batches_are_each_for_itself(self, lab: CohortLab) -> None:
        batch_ids = redriven(lab, identity_tags=False)
        act(OmicsDeleteRunBatchOperator, batch_ids[-1])
        assert statuses(lab, *batch_ids) == ["PROCESSED", "RUNS_DELETED"]


class TestLookupRefused:
    def test_a_batch_that_must_have_siblings_is_deleted_and_the_task_fails(self, lab: CohortLab) -> None:
        batch_ids = redriven(lab)
        lab.deny("ListBatch")
        with raises(OmicsServiceError, match="omics:ListBatch"):
            act(OmicsDeleteRunBatchOperator, batch_ids[-1])
        assert statuses(lab, batch_ids[0]) == ["PROCESSED"]
        assert statuses(lab, batch_ids[1])[0].startswith("RUNS_DELET")

    def test_a_first_batch_is_deleted_as_it_always_was(
        self, lab: CohortLab, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        batch_id = lab.run(cohort(1)).result
        lab.deny("ListBatch")
        with caplog.at_level(logging.ERROR):
            assert act(OmicsDeleteRunBatchOperator, batch_id).result == batch_id
        assert statuses(lab, batch_id) == ["RUNS_DELETED"]
        assert "whole_cohort=False" in unwrapped(capsys.readouterr().out + caplog.text)


@MODES
@pytest.mark.parametrize("waits", [False, True])
def test_cancelling_reaches_the_batch_that_goes_on(lab: CohortLab, deferrable: bool, waits: bool) -> None:
    ti = instance()
    lab.fail(cohort(2), ti)
    first = ti.xcoms["batch_id"]
    ti.try_number += 1
    lab.crash([*cohort(1), lasting("sample-1", 3600)], ti)
    last = ti.xcoms["batch_id"]
    assert first != last
    cancelled = act(OmicsCancelRunBatchOperator, first, deferrable=deferrable, wait_for_completion=waits)
    assert cancelled.result == first
    status = statuses(lab, last)[0]
    assert status == "CANCELLED" if waits else status in ("STOPPING", "CANCELLED")
    assert statuses(lab, first) == ["PROCESSED"]
