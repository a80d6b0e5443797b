"""What was asked of the server, and what came of it: the ground truth for tests."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Call:
    """One call of an operation.

    :ivar request_id: the idempotency token, where the operation has one.
    :ivar resource_id: id of the run, batch, workflow, ... that the call made or named.
    :ivar took_effect: whether the call changed anything; False for reads, refusals and repeated request ids.
    :ivar status: HTTP status of the answer; None when no answer was sent.
    :ivar error: error code of the answer.
    :ivar fault: the kind of fault that was injected, if any.
    """

    time: datetime
    operation: str
    request_id: str | None = None
    resource_id: str | None = None
    took_effect: bool = False
    status: int | None = None
    error: str | None = None
    fault: str | None = None


@dataclass
class Journal:
    """Every call in order, with counts that stay exact when old entries are dropped.

    :param limit: most entries to keep; None keeps all.
    """

    limit: int | None = None
    counts: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    runs_created: int = 0

    def __post_init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=self.limit)
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        """Keep one finished call."""
        with self._lock:
            self._calls.append(call)
            self.counts[call.operation] += 1
            if call.took_effect:
                self.effects[call.operation] += 1

    def calls(self, operation: str | None = None) -> list[Call]:
        """Return the calls that are kept, oldest first.

        :param operation: only those of this operation.
        """
        return list(self._matching(operation))

    def _matching(self, operation: str | None) -> Iterator[Call]:
        with self._lock:
            calls = list(self._calls)
        return (call for call in calls if operation in (None, call.operation))

    def clear(self) -> None:
        """Forget every call and count."""
        with self._lock:
            self._calls.clear()
            self.counts.clear()
            self.effects.clear()
            self.runs_created = 0
