"""What a run writes to CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.console import (
    LOG_GROUP,
    engine_log_stream,
    run_log_stream,
    task_log_stream,
)

if TYPE_CHECKING:
    from airflow_provider_omics.local.records import Run
    from airflow_provider_omics.local.world import World


class RunLogs:
    """The log streams of one run; nothing is written when its ``logLevel`` is OFF.

    :param world: has the logs, and gives every line its time.
    """

    def __init__(self, world: World, run: Run) -> None:
        self._aws = world.aws
        self._clock = world.clock
        self._run = run
        self._is_on = run.request.get("logLevel") != "OFF"

    def run_line(self, text: str) -> None:
        """Append to the run's own stream."""
        self._put(run_log_stream(self._run.run_id), [text])

    def engine_line(self, text: str) -> None:
        """Append to the engine's stream."""
        self._put(engine_log_stream(self._run.run_id), text.splitlines())

    def task_line(self, task_id: str, text: str) -> None:
        """Append to a task's stream."""
        self._put(task_log_stream(self._run.run_id, task_id), [text])

    def manifest(self, entries: Sequence[str]) -> None:
        """Write the run's manifest, one entry for the run and one for each task."""
        self._put(f"manifest/run/{self._run.run_id}/{self._run.uuid}", entries)

    def _put(self, stream: str, texts: Sequence[str]) -> None:
        if self._is_on:
            now = self._clock.now()
            self._aws.put_log_lines(LOG_GROUP, stream, [(now, text) for text in texts])
