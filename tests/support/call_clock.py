"""A clock for the local server that goes on with each call, so that a job lasts for so many looks on any machine.

It is behind real time, which the server's answers are dated with: not for tests of answers that get lost.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.journal import Journal

SECONDS_PER_CALL = 0.05


class CallClock:
    """Stands still between two calls of HealthOmics' API."""

    def __init__(self) -> None:
        self._start = datetime.now(UTC)
        self._journal = Journal()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=SECONDS_PER_CALL * self._journal.counts.total())

    def real_seconds_until(self, _moment: datetime) -> float | None:
        return None

    def follow(self, server: LocalOmics) -> LocalOmics:
        """Count the calls of a server that was made with this clock, and return the server."""
        self._journal = server.journal
        return server
