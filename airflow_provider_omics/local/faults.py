"""Faults on demand: what goes wrong, for which calls, and how often; the same seed gives the same faults.

Slowness inside of the service is no fault of a call: a long CREATING or a ``runSummary`` that lags behind is a
matter of :class:`~airflow_provider_omics.local.timings.Timings`, and reused run ids are one of the assumptions.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from enum import StrEnum


class FaultKind(StrEnum):
    """What goes wrong with a call."""

    THROTTLE = "throttle"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    LOST_ANSWER = "lost_answer"
    DROPPED_CONNECTION = "dropped_connection"
    SLOW_ANSWER = "slow_answer"

    @property
    def is_after_the_effect(self) -> bool:
        """Whether the operation is carried out before the fault shows."""
        return self in (FaultKind.ERROR_AFTER, FaultKind.LOST_ANSWER, FaultKind.SLOW_ANSWER)


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultRule:
    """One rule of a plan.

    :param kind: what goes wrong. ``error_before`` and ``error_after`` answer an error without and with the
        effect; ``lost_answer`` closes the connection after the effect, ``dropped_connection`` without it.
    :param operation: operation name such as ``StartRun``, ``*`` for every operation, or a step inside of a batch:
        ``RunBatch.validate`` (the batch fails), ``RunBatch.submit``, ``RunBatch.cancel``, ``RunBatch.delete`` (this one
        run's does), ``RunBatch.abort`` (the batch fails before its next submission).
    :param count: how many calls it strikes; None for no end.
    :param skip: how many matching calls pass before it begins.
    :param share: the part of the remaining matching calls that it strikes, more than 0, at most 1.
    :param seconds: real seconds that ``slow_answer`` waits after the effect.
    :param code: error code of ``error_before`` and ``error_after``.
    :param http_status: HTTP status that goes with ``code``.
    """

    kind: FaultKind
    operation: str = "*"
    count: int | None = 1
    skip: int = 0
    share: float = 1.0
    seconds: float = 0.0
    code: str = "InternalServerException"
    http_status: int = 500

    def __post_init__(self) -> None:
        # From JSON the kind comes as text; a word that is no kind stops here.
        object.__setattr__(self, "kind", FaultKind(self.kind))
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be more than 0 and at most 1, not {self.share}")
        if self.count is not None and self.count < 1:
            raise ValueError(f"count must be at least 1 or None, not {self.count}")
        if self.skip < 0 or self.seconds < 0:
            raise ValueError(f"skip and seconds must be at least 0, not {self.skip} and {self.seconds}")


@dataclass
class _Armed:
    rule: FaultRule
    dice: random.Random
    seen: int = 0
    struck: int = 0

    def strikes(self) -> bool:
        self.seen += 1
        if self.seen <= self.rule.skip:
            return False
        if self.rule.count is not None and self.struck >= self.rule.count:
            return False
        # Roll for every call, so that a count never shifts which later calls a share strikes.
        if self.dice.random() >= self.rule.share:
            return False
        self.struck += 1
        return True


@dataclass
class FaultPlan:
    """Rules in order; the first that strikes a call decides."""

    seed: int = 0
    _armed: list[_Armed] = field(default_factory=list)
    _added: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def add(self, rule: FaultRule) -> None:
        """Add a rule after the others."""
        with self._lock:
            self._armed.append(_Armed(rule, random.Random(f"{self.seed}:{self._added}")))
            self._added += 1

    def clear(self) -> None:
        """Remove every rule."""
        with self._lock:
            self._armed.clear()
            self._added = 0

    def rules(self) -> list[tuple[FaultRule, int]]:
        """Return each rule with the number of calls that it struck."""
        with self._lock:
            return [(armed.rule, armed.struck) for armed in self._armed]

    def strike(self, operation: str) -> FaultRule | None:
        """Count one call and return the rule that strikes it, if any."""
        with self._lock:
            matching = [armed for armed in self._armed if armed.rule.operation in ("*", operation)]
            return next((armed.rule for armed in matching if armed.strikes()), None)

    def strike_step(self, step: str) -> FaultRule | None:
        """Count one step inside of the service, which only rules with exactly its name strike.

        :param step: such as ``RunBatch.submit``; ``batches.status`` has them all.
        """
        with self._lock:
            matching = [armed for armed in self._armed if armed.rule.operation == step]
            return next((armed.rule for armed in matching if armed.strikes()), None)
