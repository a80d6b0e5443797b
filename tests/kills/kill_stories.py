"""What is done in each row of the kill matrix, as generators of what is to be waited for."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kill_rows import DAGRUN_TIMEOUT
from kill_scene import INSTANCES, Scene
from task_processes import supervisor_of

Wish = tuple[str, Callable[[], bool]]
"""What to wait for: its name, and whether it is there."""
Story = Iterator[Wish]


@dataclass
class Gate:
    """Something that is waited for however long it takes.

    :param condition: opens it; without one, somebody has to.
    """

    condition: Callable[[], bool] | None = None
    _is_open: bool = False

    @property
    def is_open(self) -> bool:
        self._is_open = self._is_open or (self.condition is not None and self.condition())
        return self._is_open

    def __call__(self) -> bool:
        return self.is_open

    def open(self) -> None:
        """Let everyone through who waits for it."""
        self._is_open = True


def tell(scene: Scene, gate: Gate) -> Story:
    """Tell a row's story from the DAG run's start to its end.

    :param gate: whether the deed that the row shares with others is done.
    """
    yield from ask("make the DAG run", scene, scene.trigger)
    told = _STORIES[scene.row.name]
    yield from told(scene) if told not in _SHARED else told(scene, gate)
    yield "the DAG run to end", scene.ended
    scene.observe()


def ask(what: str, scene: Scene, action: Callable[[], None]) -> Story:
    """Ask Airflow's API for something."""
    yield from asked(f"Airflow to {what}", action)
    scene.note(f"asked Airflow to {what}")


def asked(what: str, action: Callable[[], None]) -> Story:
    """Do something that takes its time while other stories go on."""
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(action)
        yield what, future.done
        future.result()


def begin(scene: Scene) -> Story:
    yield "all tasks to wait for their jobs", scene.waits
    scene.begin()


def look_in_vain(scene: Scene) -> Story:
    """All tasks wait for their jobs before the first look is answered."""
    yield "all tasks to look for their jobs", scene.looks_in_vain
    scene.begin()


def taken_over(scene: Scene) -> Story:
    """The next try waits for the job of the one before."""
    scene.mark()
    yield "the next try to wait for the same jobs", lambda: scene.waits(retried=True)
    scene.end_jobs()


def replaced(scene: Scene) -> Story:
    yield "the next try to have a job of its own", lambda: scene.all_jobs("CANCELLED", "RUNNING")
    scene.end_jobs()


def marked_failed(scene: Scene) -> Story:
    yield from begin(scene)
    yield from ask("mark the tasks", scene, scene.mark_failed)
    yield "the jobs to be cancelled", lambda: scene.all_jobs("CANCELLED")


def cleared(scene: Scene) -> Story:
    yield from begin(scene)
    if scene.mode == "deferred":
        # A next try that waits before the triggerer has noticed anything takes the job over.
        scene.set_slots(0)
    yield from ask("clear the tasks", scene, scene.clear)
    if scene.mode == "deferred":
        yield "the jobs to be cancelled", lambda: scene.all_jobs("CANCELLED")
        scene.set_slots(INSTANCES)
    yield from replaced(scene)


def execution_timeout(scene: Scene) -> Story:
    yield from begin(scene)
    yield "the jobs to be cancelled", scene.first_jobs_are_cancelled
    # Each as soon as it is there: while it waits for the others, its own time runs out again.
    yield "the next try's jobs to end", scene.end_jobs_until_all_is_over


def dagrun_timeout(scene: Scene) -> Story:
    yield from begin(scene)
    scene.grow_older(DAGRUN_TIMEOUT)
    yield "the jobs to be cancelled", lambda: scene.all_jobs("CANCELLED")


def worker_drained(scene: Scene) -> Story:
    yield from begin(scene)
    drain(scene)
    yield from taken_over(scene)


def worker_drained_last_try(scene: Scene) -> Story:
    yield from begin(scene)
    drain(scene)
    yield "the jobs to be cancelled", lambda: scene.all_jobs("CANCELLED")


def worker_lost(scene: Scene) -> Story:
    yield from begin(scene)
    yield from lose(scene)
    yield from taken_over(scene)


def worker_lost_last_try(scene: Scene) -> Story:
    yield from begin(scene)
    yield from lose(scene)


def triggerer(scene: Scene, gate: Gate) -> Story:
    yield from begin(scene)
    yield "the triggerer to be gone and to come back", gate
    scene.mark()
    yield "the new triggerer to look at the jobs", scene.waits
    scene.end_jobs()


def trigger_failed(scene: Scene, gate: Gate) -> Story:
    yield from begin(scene)
    yield "the triggerer to come back without the trigger's class", gate
    yield from taken_over(scene)


def trigger_failed_last_try(scene: Scene, gate: Gate) -> Story:
    yield from begin(scene)
    yield "the triggerer to come back without the trigger's class", gate
    scene.mark()
    yield "workers to wait for the same jobs", lambda: scene.waits(state="running")
    scene.end_jobs()


def trigger_failed_after_end(scene: Scene, gate: Gate) -> Story:
    yield from begin(scene)
    yield "the triggerer to come back without the trigger's class, and after the jobs' end", gate


def task_failed(scene: Scene) -> Story:
    yield from begin(scene)
    scene.refuse_looks()
    yield "the first try to fail", scene.relent
    yield from taken_over(scene)


def task_failed_last_try(scene: Scene) -> Story:
    yield from begin(scene)
    scene.refuse_looks()


def looks_used_up(scene: Scene) -> Story:
    yield from look_in_vain(scene)
    yield "all tasks to fail once", lambda: scene.in_try(2)
    scene.end_jobs()


def looks_used_up_last_try(scene: Scene) -> Story:
    yield from look_in_vain(scene)
    yield "the jobs to be cancelled", lambda: scene.all_jobs("CANCELLED")


def succeeded_and_cleared(scene: Scene) -> Story:
    yield from begin(scene)
    scene.end_jobs()
    yield "the tasks to succeed", lambda: scene.ended() and scene.in_state("success")
    yield from ask("clear the tasks", scene, scene.clear)
    yield "the tasks to run their jobs anew", lambda: scene.all_jobs("COMPLETED", "RUNNING")
    scene.end_jobs()


def drain(scene: Scene) -> None:
    """Ask whoever looks after the tasks to end (SIGTERM), as the draining of a machine or an eviction does."""
    for process in scene.processes():
        supervisor = supervisor_of(process)
        if supervisor is not None:
            supervisor.send_signal(signal.SIGTERM)
    scene.note("workers asked to end")


def lose(scene: Scene) -> Story:
    """Kill the tasks and whoever looks after them (SIGKILL), as the loss of their machine does."""
    for process in scene.processes():
        supervisor = supervisor_of(process)
        # First, since it would tell Airflow of the task's death.
        if supervisor is not None:
            supervisor.kill()
        process.kill()
    scene.note("workers killed")
    yield "the tasks to count as lost", scene.counts_as_lost


_SHARED = (triggerer, trigger_failed, trigger_failed_last_try, trigger_failed_after_end)
_STORIES: dict[str, Callable[..., Story]] = {
    "triggerer_restarted": triggerer,
    "triggerer_killed": triggerer,
    **{
        told.__name__: told
        for told in (
            trigger_failed,
            trigger_failed_last_try,
            trigger_failed_after_end,
            dagrun_timeout,
            execution_timeout,
            marked_failed,
            cleared,
            worker_drained,
            worker_drained_last_try,
            worker_lost,
            worker_lost_last_try,
            task_failed,
            task_failed_last_try,
            looks_used_up,
            looks_used_up_last_try,
            succeeded_and_cleared,
        )
    },
}
