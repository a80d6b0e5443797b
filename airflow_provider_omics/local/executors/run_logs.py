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

MOST_LINES = 250_000
MOST_CHARACTERS = 64 << 20
"""What the engine and the tasks of a run may write in all: logs are kept in memory."""


class RunLogs:
    """The log streams of one run; nothing is written when its ``logLevel`` is OFF.

    Writing is best effort: what goes wrong with a line must not change how the run ends.

    :param state: has the logs, and gives every line its time.
    """

    def __init__(self, state: AccountState, run: Run) -> None:
        self._state = state
        self._run = run
        self._is_on = run.request.get("logLevel") != "OFF"
        self._lines = self._characters = 0

    def run_line(self, text: str) -> None:
        """Append to the run's own stream."""
        self._put(run_log_stream(self._run.run_id), [text])

    def engine_line(self, text: str) -> None:
        """Append to the engine's stream."""
        self._put_bounded(engine_log_stream(self._run.run_id), text.splitlines())

    def task_lines(self, task_id: str, lines: Sequence[str]) -> None:
        """Append to a task's stream."""
        self._put_bounded(task_log_stream(self._run.run_id, task_id), lines)

    def _put_bounded(self, stream: str, texts: Sequence[str]) -> None:
        if self._lines > MOST_LINES or self._characters > MOST_CHARACTERS:
            return
        self._lines += len(texts)
        self._characters += sum(map(len, texts))
        self._put(stream, texts)
        if self._lines > MOST_LINES or self._characters > MOST_CHARACTERS:
            message = (
                f"The run has written more than {MOST_LINES:,} lines or {MOST_CHARACTERS >> 20} MiB; no more are kept"
            )
            self._put(stream, [f"({message})"])
            self.run_line(message)

    def _put(self, stream: str, texts: Sequence[str]) -> None:
        if not self._is_on:
            return
        now = self._state.now()
        try:
            self._state.aws.put_log_lines(LOG_GROUP, stream, [(now, text) for text in texts])
        except Exception:
            log.warning("Could not write to the log stream %s", stream, exc_info=True)
