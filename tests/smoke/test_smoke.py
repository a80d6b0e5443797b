"""What must work on every Airflow version, with real processes and with the connection from every source.

All of it happens side by side before the first test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from smoke_lab import IS_AIRFLOW_3, Seen, SmokeLab, smoke_lab
from smoke_rows import BROKEN, SAMPLES, SOURCES, tasks

pytestmark = pytest.mark.e2e


def of_every_source(task_id: str) -> pytest.MarkDecorator:
    """Run a test for each source whose DAG has a task."""
    return pytest.mark.parametrize("source", [source for source in SOURCES if task_id in tasks(source)])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmokeLab]:
    with smoke_lab(tmp_path_factory.mktemp("smoke")) as lab:
        lab.run()
        yield lab


@of_every_source("run")
def test_a_deferred_run_completes(lab: SmokeLab, source: str) -> None:
    seen = lab.seen[source, "run"]
    ((run_id, status),) = seen.jobs
    assert (seen.state, seen.try_number, status, seen.starts, seen.cancels) == ("success", 1, "COMPLETED", 1, 0)
    assert seen.xcoms["return_value"] == run_id, seen.log


@of_every_source("batch")
def test_a_batch_completes(lab: SmokeLab, source: str) -> None:
    seen = lab.seen[source, "batch"]
    ((batch_id, status),) = seen.jobs
    assert (seen.state, seen.try_number, status, seen.starts) == ("success", 1, "PROCESSED", 1), seen.log
    assert seen.xcoms["return_value"] == batch_id
    assert [run["run_setting_id"] for run in seen.xcoms["runs"]] == list(SAMPLES)
    assert seen.xcoms["failed_run_setting_ids"] == []


@of_every_source("batch_with_failure")
def test_a_sample_that_fails_fails_its_batch(lab: SmokeLab, source: str) -> None:
    seen = lab.seen[source, "batch_with_failure"]
    ((_, status),) = seen.jobs
    assert (seen.state, seen.try_number, status, seen.starts) == ("failed", 1, "PROCESSED", 1), seen.log
    assert seen.xcoms["failed_run_setting_ids"] == [BROKEN]
    assert "OmicsBatchFailedError" in seen.log
    assert "1 of 4 samples did not complete (tolerated: 0)" in seen.log
    assert re.search(rf"- {BROKEN}, run \d+: FAILED: RUN_TASK_FAILED: Task", seen.log)


@of_every_source("killed_while_deferred")
def test_a_kill_while_a_task_is_deferred_cancels_its_run(lab: SmokeLab, source: str) -> None:
    assert_cancelled(lab.seen[source, "killed_while_deferred"])


@of_every_source("killed_in_worker")
def test_a_kill_of_a_task_in_a_worker_cancels_its_run(lab: SmokeLab, source: str) -> None:
    assert_cancelled(lab.seen[source, "killed_in_worker"])


def assert_cancelled(seen: Seen) -> None:
    ((_, status),) = seen.jobs
    assert (seen.state, seen.try_number, status, seen.starts, seen.cancels) == ("failed", 1, "CANCELLED", 1, 1), (
        seen.log
    )


@of_every_source("lost")
def test_a_lost_worker_leaves_the_run_to_the_next_try(lab: SmokeLab, source: str) -> None:
    seen = lab.seen[source, "lost"]
    ((run_id, status),) = seen.jobs
    assert (seen.state, seen.try_number, status, seen.starts, seen.cancels) == ("success", 2, "COMPLETED", 1, 0)
    assert seen.xcoms["return_value"] == run_id, seen.log


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.skipif(not IS_AIRFLOW_3, reason="Airflow 2 has no asset watchers")
def test_a_run_that_nobody_waits_for_starts_the_dag(lab: SmokeLab, source: str) -> None:
    assert lab.told[source] == [lab.watched_run]
