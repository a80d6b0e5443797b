"""How many processes of each kind an Airflow has, and what hands tasks to those that run them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from airflow_versions import WORKER_LOG_PORT, Component

#: What a Celery worker is called, beside the names of Airflow's components.
WORKER = "worker"
#: A task that a worker had received, and lost before it began, is handed out again after so many seconds.
VISIBILITY_TIMEOUT = 60


@dataclass(frozen=True)
class Stack:
    """A kind of deployment.

    :ivar copies: how many processes there are of a component; one of those that are not named.
    :ivar workers: how many Celery workers there are; with none, the scheduler runs tasks itself.
    :ivar concurrency: how many tasks each worker runs at the same time.
    """

    copies: Mapping[str, int] = field(default_factory=dict)
    workers: int = 0
    concurrency: int = 0

    @property
    def has_workers(self) -> bool:
        return self.workers > 0

    def names(self, component: str) -> list[str]:
        """Return the names of the processes of a component: its own, and with a number where it has several."""
        count = self.workers if component == WORKER else self.copies.get(component, 1)
        return [component if number == 1 else f"{component} {number}" for number in range(1, count + 1)]

    def components(self, single: Mapping[str, Component]) -> dict[str, Component]:
        """Return all processes by their names.

        :param single: those of the Airflow version.
        """
        if self.has_workers:
            # Tasks leave their logs with the workers.
            single = {
                name: replace(component, log_port=None) if component.log_port == WORKER_LOG_PORT else component
                for name, component in single.items()
            }
        several = {name: component for one, component in single.items() for name in self.names(one)}
        return {**several, **{name: _worker(name) for name in self.names(WORKER)}}

    def settings(self, broker: str, results: str, preload: Sequence[str]) -> dict[str, str]:
        """Return Airflow's environment variables for CeleryExecutor.

        :param broker: address of what hands tasks to workers.
        :param results: address of what keeps what became of them.
        :param preload: modules that workers load when they start.
        """
        return {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": results,
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(self.concurrency),
            "AIRFLOW__CELERY__EXTRA_CELERY_CONFIG": json.dumps({"imports": list(preload)}),
            "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": str(VISIBILITY_TIMEOUT),
        }


def _worker(name: str) -> Component:
    host = name.replace(" ", "-")
    arguments = ["celery", "worker", "--celery-hostname", host]
    return Component(arguments, log_port=WORKER_LOG_PORT, ready=f"celery@{host} ready.")


STACKS = {
    "local": Stack(),
    "celery": Stack({"scheduler": 2, "triggerer": 2}, workers=2, concurrency=12),
}
