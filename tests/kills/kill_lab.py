"""Runs all rows of the kill matrix side by side, in real Airflow processes."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import kill_rows
from airflow_cluster import AirflowCluster
from child_processes import CrashError, ProcessError
from executor_events import ExecutorEvents
from kill_rows import MODES, ROWS, STARTS_SLOWLY, connection
from kill_scene import TICK, Scene
from kill_stories import Gate, Story, Wish, asked, tell

from airflow_provider_omics.local import LocalOmics

HERE = Path(__file__).parent
#: How many rows are under way at the same time, beside those that wait for the triggerer's end, and how many of all
#: have tasks that do not wait for their jobs yet: it is starting that costs.
AT_ONCE, BEGINNING = ({"worker": 3, "deferred": 4}, 2) if STARTS_SLOWLY else ({"worker": 5, "deferred": 8}, 4)
PATIENCE = 900.0
INTERVAL = 0.2
SETTINGS = {
    "AIRFLOW__CORE__PARALLELISM": "20",
    "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "64",
    # No worker is late here, however slow the machine is; one that is lost has its sign of life made older.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "1800",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
    # A task that has ended can be taken to go on for so long: another one, forked meanwhile, has its sockets open. By
    # then it counts as lost, and the scheduler of 3.4.0b2 dies of a task that was cleared and is lost.
    "AIRFLOW__WORKERS__SOCKET_CLEANUP_TIMEOUT": "5",
    # Airflow 2.11 has other names for the same.
    "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "1800",
    # What is found twice before it was dealt with ends the next try too.
    "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "60",
    "AIRFLOW__SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": "20",
    # A scheduler that was started again takes over what the one before left, but not from one that is only slow.
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "90",
}
#: What Airflow's scheduler dies of by a mistake of its own (docs/recovery.md); whoever runs it starts it again.
AIRFLOWS_OWN = ("task_instance_current_key",)
_END: Wish = ("the end", lambda: True)
PRELOAD = (
    "airflow_provider_omics.operators.batch",
    "airflow_provider_omics.operators.run",
    "airflow_provider_omics.triggers.batch",
    "boto3.s3.transfer",
)


@dataclass
class Telling:
    """A story that is being told.

    :ivar scene: whose; None for the triggerer's own.
    """

    story: Story
    scene: Scene | None = None
    wish: Wish = ("to begin", lambda: True)
    since: float = field(default_factory=time.monotonic)
    is_over: bool = False

    def go_on(self) -> None:
        """Go on if what is waited for is there."""
        try:
            self._go_on()
        except Exception as error:
            self.is_over = True
            if self.scene is None:
                raise
            # One row's failure is no reason to know nothing of the others.
            self.scene.stuck = str(error)
            self.scene.observe()

    def _go_on(self) -> None:
        what, is_there = self.wish
        if isinstance(is_there, Gate) and not is_there.is_open:
            self.since = time.monotonic()
        elif is_there():
            self.wish, self.since = next(self.story, _END), time.monotonic()
            self.is_over = self.wish is _END
        elif time.monotonic() - self.since > PATIENCE:
            raise ProcessError(f"waited {PATIENCE:.0f} s for {what}")


class KillLab:
    """Real Airflow processes, and a server for each row and mode.

    :param rows: names of the rows to run.
    """

    def __init__(
        self, cluster: AirflowCluster, rows: Collection[str], servers: Mapping[tuple[str, str], LocalOmics]
    ) -> None:
        self.cluster = cluster
        runs, events = f"kills-{uuid.uuid4()}", ExecutorEvents(cluster)
        self.scenes = [
            Scene(row, mode, cluster, events, servers[row.name, mode], runs)
            for mode in reversed(MODES)
            for row in ROWS
            if mode in row.modes and row.name in rows
        ]
        self._killed, self._restarted = Gate(), Gate()

    def scene(self, row: str, mode: str) -> Scene:
        """Return a row in a mode."""
        return next(scene for scene in self.scenes if (scene.row.name, scene.mode) == (row, mode))

    def run(self) -> None:
        """Tell the stories of all rows, as many side by side as the machine can bear."""
        waiting = list(self.scenes)
        tellings = [Telling(self._triggerer_story())]
        while tellings:
            self._look_after_airflow(tellings)
            for scene in [*waiting]:
                if self._has_room(scene, tellings):
                    waiting.remove(scene)
                    tellings.append(Telling(tell(scene, self._gate(scene)), scene))
            for telling in tellings:
                if telling.scene is not None:
                    telling.scene.server.advance(TICK)
                telling.go_on()
            tellings = [telling for telling in tellings if not telling.is_over]
            time.sleep(INTERVAL)

    def _look_after_airflow(self, tellings: list[Telling]) -> None:
        """Start the scheduler again if Airflow's own mistake has ended it; whatever else has ended ends the lab."""
        try:
            self.cluster.check()
        except CrashError as crash:
            if not any(words in str(crash) for words in AIRFLOWS_OWN):
                raise
            for telling in tellings:
                if telling.scene is not None:
                    telling.scene.note(f"Airflow's scheduler died of its own mistake and is started again: {crash}")
            self.cluster.processes["scheduler"].kill()
            tellings.append(Telling(asked("the scheduler to start again", partial(self.cluster.restart, "scheduler"))))

    def _has_room(self, scene: Scene, tellings: Sequence[Telling]) -> bool:
        if sum(one.scene is not None and not one.scene.has_begun for one in tellings) >= BEGINNING:
            return False
        if self._shares_triggerer(scene):
            return True
        same = [one.scene for one in tellings if one.scene is not None and one.scene.mode == scene.mode]
        return len([one for one in same if not self._shares_triggerer(one)]) < AT_ONCE[scene.mode]

    def _triggerer_story(self) -> Story:
        """Kill the triggerer and start it again, then stop it and start it again; once nobody else needs it."""
        deferred = [scene for scene in self.scenes if scene.mode == "deferred"]
        others = [scene for scene in deferred if not self._shares_triggerer(scene)]
        triggerer = self.cluster.processes["triggerer"]
        if others == deferred:
            return
        yield "the other deferred rows to be over", Gate(lambda: all(scene.seen for scene in others))
        yield "all triggers to run", lambda: all(scene.seen or scene.waits() for scene in deferred)
        triggerer.kill()
        yield from asked("the triggerer to start", partial(self.cluster.restart, "triggerer"))
        self._killed.open()
        yield (
            "the row to be over",
            lambda: all(scene.seen for scene in deferred if scene.row.name == "triggerer_killed"),
        )
        yield from asked("the triggerer to end by itself", partial(triggerer.stop, grace=60))
        for scene in deferred:
            if scene.row.name.startswith("trigger_failed"):
                scene.lose_trigger_class()
            if scene.row.name == "trigger_failed_after_end":
                scene.end_jobs()
        yield from asked("the triggerer to start", partial(self.cluster.restart, "triggerer"))
        self._restarted.open()

    def _gate(self, scene: Scene) -> Gate:
        return self._killed if scene.row.name == "triggerer_killed" else self._restarted

    @staticmethod
    def _shares_triggerer(scene: Scene) -> bool:
        return scene.row.name.startswith("trigger")


@contextmanager
def kill_lab(home: Path, rows: Collection[str]) -> Iterator[KillLab]:
    """Start Airflow and the servers.

    :param home: an empty folder.
    :param rows: names of the rows to run.
    """
    with ExitStack() as stack:
        servers = {(row.name, mode): stack.enter_context(Scene.new_server()) for row in ROWS for mode in row.modes}
        next(iter(servers.values())).client("s3").create_bucket(Bucket="kills")
        dags = home / "dags"
        shutil.copytree(HERE / "dags", dags, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(kill_rows.__file__, dags)
        connections = {
            f"AIRFLOW_CONN_{connection(*key).upper()}": server.airflow_connection_uri()
            for key, server in servers.items()
        }
        cluster = AirflowCluster(home, dags, {**SETTINGS, **connections}, web=True, preload=PRELOAD)
        stack.enter_context(cluster)
        yield KillLab(cluster, rows, servers)
