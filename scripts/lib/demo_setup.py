"""What the parts of the demo share: where things are, and how to tell the user."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_cluster import AirflowCluster
from progress import Progress, Watched

from airflow_provider_omics.local.server import LocalOmics

BUCKET = "omics-demo"
DAG_RUN_ID = "demo"
ROLE_ARN = "arn:aws:iam::123456789012:role/OmicsDemo"


def say(text: str) -> None:
    """Tell the user, at once even when the output is not a terminal."""
    print(text, flush=True)


@dataclass(frozen=True)
class Stage:
    """A local server and an Airflow that both run, with the read QC workflow in place.

    :ivar engine: what the workflow is written in, ``CWL`` or ``WDL``.
    """

    server: LocalOmics
    cluster: AirflowCluster
    workflow_id: str
    engine: str

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> None:
        """Make a DAG run.

        :param conf: its parameters, beside those that say what to run, as whom, and where.
        """
        place = {"workflow_id": self.workflow_id, "role_arn": ROLE_ARN, "output_uri": f"s3://{BUCKET}/{dag_id}"}
        self.cluster.trigger(dag_id, DAG_RUN_ID, {**place, **conf})

    def tell_bad_end(self, seen: Watched) -> None:
        """Tell the state of a DAG run, and where the logs of its failed tasks are."""
        say(f"The DAG run's state is {seen.state}.")
        for task in self.cluster.records.task_instances(seen.dag_id, DAG_RUN_ID):
            if task.state == "failed":
                logs = self.cluster.records.task_log_files(seen.dag_id, DAG_RUN_ID, task.task_id, task.map_index)
                for path in [path for path in logs if path.suffix == ".log" and ".trigger." not in path.name][-1:]:
                    say(f"    Airflow's log of the task {task.task_id}: {path}")


class Act(ABC):
    """One part of the demo: a DAG with a story.

    :cvar label: what its lines begin with.
    """

    label: ClassVar[str]
    dag_id: ClassVar[str]

    @property
    @abstractmethod
    def plot(self) -> str:
        """What is about to happen."""

    @abstractmethod
    def start(self, stage: Stage) -> None:
        """Upload what is needed, and trigger the DAG."""

    @abstractmethod
    def tell_end(self, stage: Stage, seen: Watched) -> bool:
        """Tell what came of it once the DAG run has ended, and return whether all is as it should be."""


def perform(stage: Stage, acts: list[Act]) -> bool:
    """Run the DAGs of all acts, side by side, and return whether all is as it should be."""
    progress = Progress(stage.cluster, stage.server.client("omics"), say)
    say("\nAirflow runs:")
    width = max(len(act.label) for act in acts)
    watched = {act.dag_id: Watched(act.label, act.dag_id, DAG_RUN_ID) for act in acts}
    for act in acts:
        say(f"  {act.label.ljust(width)}  {act.dag_id}: {act.plot}")
        act.start(stage)
        progress.add(watched[act.dag_id])
    say("")
    progress.watch(math.inf)
    good = True
    for act in acts:
        say(f"\n{act.label}: {act.dag_id}\n")
        good = act.tell_end(stage, watched[act.dag_id]) and good
    return good
