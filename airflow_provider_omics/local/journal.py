"""What was asked of the server, and what came of it: the ground truth for tests."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_omics.local.records import Run


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


@dataclass(frozen=True, slots=True)
class RunMade:
    """One run that was ever created, deleted ones too.

    :ivar status: the run's now; DELETED once it was deleted.
    :ivar request_id: of the StartRun or StartRunBatch call that it comes from.
    """

    run_id: str
    uuid: str
    name: str | None
    tags: dict[str, str]
    batch_id: str | None
    run_setting_id: str | None
    request_id: str | None
    status: str


@dataclass
class Journal:
    """Every call and every run in order, with counts that stay exact when old entries are dropped.

    :param limit: most calls, and most runs, to keep; None keeps all.
    """

    limit: int | None = None
    counts: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    runs_created: int = 0

    def __post_init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=self.limit)
        self._runs: deque[Run] = deque(maxlen=self.limit)
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        """Keep one finished call."""
        with self._lock:
            self._calls.append(call)
            self.counts[call.operation] += 1
            if call.took_effect:
                self.effects[call.operation] += 1

    def add_run(self, run: Run) -> None:
        """Keep one new run."""
        with self._lock:
            self._runs.append(run)
            self.runs_created += 1

    def runs(self) -> list[RunMade]:
        """Return the runs that are kept, oldest first, whatever became of them."""
        with self._lock:
            runs = list(self._runs)
        return [
            RunMade(
                run_id=run.run_id,
                uuid=run.uuid,
                name=run.request.get("name"),
                tags=dict(run.tags),
                batch_id=run.batch_id,
                run_setting_id=run.run_setting_id,
                request_id=run.request_id,
                status=run.status,
            )
            for run in runs
        ]

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
            self._runs.clear()
            self.counts.clear()
            self.effects.clear()
            self.runs_created = 0
