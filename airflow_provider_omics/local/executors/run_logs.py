"""What a run writes to CloudWatch Logs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_provider_omics.healthomics.api.console import (
    LOG_GROUP,
    engine_log_stream,
    run_log_stream,
    task_log_stream,
)

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.records import Run

log = logging.getLogger(__name__)


class RunLogs:
    """The log streams of one run; nothing is written when its ``logLevel`` is OFF.

    Writing is best effort: what goes wrong with a line must not change how the run ends.

    :param state: has the logs, and gives every line its time.
    """

    def __init__(self, state: AccountState, run: Run) -> None:
        self._state = state
        self._run = run
        self._is_on = run.request.get("logLevel") != "OFF"

    def run_line(self, text: str) -> None:
        """Append to the run's own stream."""
        self._put(run_log_stream(self._run.run_id), [text])

    def engine_line(self, text: str) -> None:
        """Append to the engine's stream."""
        self._put(engine_log_stream(self._run.run_id), text.splitlines())

    def task_lines(self, task_id: str, lines: Sequence[str]) -> None:
        """Append to a task's stream."""
        self._put(task_log_stream(self._run.run_id, task_id), lines)

    def _put(self, stream: str, texts: Sequence[str]) -> None:
        if not self._is_on:
            return
        now = self._state.now()
        try:
            self._state.aws.put_log_lines(LOG_GROUP, stream, [(now, text) for text in texts])
        except Exception:
            log.warning("Could not write to the log stream %s", stream, exc_info=True)
