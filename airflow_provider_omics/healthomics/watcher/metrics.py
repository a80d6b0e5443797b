"""Metrics of a watcher."""

from __future__ import annotations

from typing import Protocol


class Metrics(Protocol):
    """Where a watcher's figures go."""

    def count(self, name: str, operation: str) -> None:
        """Count one call.

        :param name: ``calls``, of these ``throttles`` and ``errors``.
        """

    def gauge(self, name: str, value: float) -> None:
        """Keep a figure as it is now.

        :param name: ``watched`` (waiters) or ``answer_age`` (seconds since the last good answer).
        """


class NullMetrics:
    """Keeps nothing."""

    def count(self, name: str, operation: str) -> None:
        """Count nothing."""

    def gauge(self, name: str, value: float) -> None:
        """Keep nothing."""
