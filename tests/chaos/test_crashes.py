"""A short set of crash trials: real processes are killed at chosen calls, and every job is made once and found again.

``scripts/chaos`` runs as many as one likes, and repeats a single one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

import pytest
from harness import Harness
from plan import Trial, make_plan
from report import Report
from verdict import Verdict

pytestmark = pytest.mark.chaos

SEED = 4
# Where a process dies; scripts/chaos tries what else there is.
POINTS = (
    "before the call",
    "after the call, before the answer",
    "after the answer, before it is kept",
    "while waiting",
    "after the job, before the task's end",
    "during redrive",
    "scheduler killed",
    "random",
)
TRIALS = make_plan(SEED, 14, POINTS)
# In Airflow 2.11, starting a task takes two processes that load everything anew.
AT_ONCE = 4 if version("apache-airflow").startswith("2.") else 8


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """All trials, side by side."""
    with Harness(TRIALS, tmp_path_factory.mktemp("chaos"), seed=SEED, noise=False) as harness:
        yield Report(harness, harness.run(AT_ONCE, print), seed=SEED, noise=False, stack="local")


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: f"{trial.name} {trial.point}")
def test_nothing_twice_nothing_lost_nothing_left_running(report: Report, trial: Trial) -> None:
    verdict: Verdict = report.verdict_of(trial)

    assert verdict.is_good, report.story_of(verdict)
    assert not verdict.is_missed, f"no call came at which to kill:\n{report.story_of(verdict)}"
