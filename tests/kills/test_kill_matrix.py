"""What becomes of a job when its task is killed, lost, cleared or fails: one test for each cell of the kill matrix.

``docs/recovery.md`` shows the matrix. All rows run side by side, with real Airflow processes, before the first test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from kill_lab import KillLab, kill_lab
from kill_rows import CELLS, Cell
from kill_scene import INDEXES, Seen

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Fate:
    """What becomes of a job.

    :ivar jobs: statuses of the task's jobs in the end, oldest first.
    :ivar cancelled: how many of them were cancelled, once each, beginning with the oldest.
    :ivar retried: whether it took the task more than one try.
    :ivar returned: the job that the task returned.
    """

    jobs: tuple[str, ...]
    cancelled: int
    retried: bool
    returned: int | None

    def of(self, state: str) -> Seen:
        """Return what is to be seen of a task instance that ends in a state."""
        number = len(self.jobs)
        return Seen(
            jobs=self.jobs,
            starts=(1,) * number,
            cancels=tuple(int(index < self.cancelled) for index in range(number)),
            state=state,
            retried=self.retried,
            returned=self.returned,
        )


CANCELLED = Fate(("CANCELLED",), 1, False, None)
GOES_ON = Fate(("RUNNING",), 0, False, None)
WAITED_FOR = Fate(("COMPLETED",), 0, False, 0)
TAKEN_OVER = Fate(("COMPLETED",), 0, True, 0)
REPLACED = Fate(("CANCELLED", "COMPLETED"), 1, True, 1)
RUN_ANEW = Fate(("COMPLETED", "COMPLETED"), 0, True, 1)

EXPECTED = {
    "triggerer_restarted": WAITED_FOR.of("success"),
    "triggerer_killed": WAITED_FOR.of("success"),
    "trigger_failed": TAKEN_OVER.of("success"),
    "trigger_failed_last_try": WAITED_FOR.of("success"),
    "trigger_failed_after_end": WAITED_FOR.of("success"),
    "dagrun_timeout": CANCELLED.of("skipped"),
    "execution_timeout": REPLACED.of("success"),
    "marked_failed": CANCELLED.of("failed"),
    "cleared": REPLACED.of("success"),
    "worker_drained": TAKEN_OVER.of("success"),
    "worker_drained_last_try": CANCELLED.of("failed"),
    "worker_lost": TAKEN_OVER.of("success"),
    "worker_lost_last_try": GOES_ON.of("failed"),
    "task_failed": TAKEN_OVER.of("success"),
    "task_failed_last_try": GOES_ON.of("failed"),
    "looks_used_up": TAKEN_OVER.of("success"),
    "looks_used_up_last_try": CANCELLED.of("failed"),
    "succeeded_and_cleared": RUN_ANEW.of("success"),
}


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillLab]:
    """All rows that a test was asked for, told to their ends."""
    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    rows = {test.callspec.params["cell"].row for test in tests if test.module is request.module}
    with kill_lab(tmp_path_factory.mktemp("kills"), rows) as lab:
        lab.run()
        yield lab


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_job_ends_as_the_matrix_says(lab: KillLab, cell: Cell) -> None:
    scene = lab.scene(cell.row, cell.mode)
    seen = [one for (task_id, _), one in sorted(scene.seen.items()) if task_id == cell.task_id]

    story = "\n".join([*scene.story, f"stuck: {scene.stuck}", scene.log()])
    assert seen == [EXPECTED[cell.row]] * len(INDEXES[cell.task_id]), story
