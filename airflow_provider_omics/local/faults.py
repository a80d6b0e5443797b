"""Faults on demand: what goes wrong, for which calls, and how often; the same seed gives the same faults.

Slowness inside of the service is no fault of a call: a long CREATING or a ``runSummary`` that lags behind is a
matter of :class:`~airflow_provider_omics.local.timings.Timings`, and reused run ids are one of the assumptions.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from airflow_provider_omics.local.journal import Call
from airflow_provider_omics.local.operations.names import SERVED_OPERATIONS

EVERY_OPERATION = "*"
S3_OPERATIONS = frozenset(f"s3:{method}" for method in ("GET", "HEAD", "PUT", "POST", "DELETE"))
"""Calls of S3, by their HTTP method."""
SQS_OPERATIONS = frozenset(f"sqs:{name}" for name in ("ReceiveMessage", "DeleteMessage", "DeleteMessageBatch"))
"""Calls of those who read a queue of SQS."""
ADVICE_OPERATIONS = frozenset({"ecr:DescribeImages", "ecr:GetRepositoryPolicy", "servicequotas:ListServiceQuotas"})
"""Calls of ECR and Service Quotas that a preflight makes."""
VALIDATE, SUBMIT, ABORT = "RunBatch.validate", "RunBatch.submit", "RunBatch.abort"
CANCEL, DELETE = "RunBatch.cancel", "RunBatch.delete"
BATCH_STEPS = frozenset({VALIDATE, SUBMIT, ABORT, CANCEL, DELETE})
"""Steps inside of a batch, which no call of a client makes."""
KNOWN_OPERATIONS = frozenset(
    {EVERY_OPERATION, *SERVED_OPERATIONS, *S3_OPERATIONS, *SQS_OPERATIONS, *ADVICE_OPERATIONS, *BATCH_STEPS}
)
"""What a rule can name."""


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
class CallFacts:
    """What a rule can know of the call that it may be injected into.

    :param call: the call as the journal has it; complete only once it was answered.
    :param members: the request's members by their API names; empty for a call of S3 or SQS.
    :param access_key: access key id that the request is signed with, which tells clients apart.
    :param peer: address and port of the client's end of the connection, which tells processes apart.
    """

    call: Call
    members: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    access_key: str = ""
    peer: tuple[str, int] = ("", 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultRule:
    """One rule of a plan.

    :param kind: what goes wrong. ``error_before`` and ``error_after`` answer an error without and with the
        effect; ``lost_answer`` closes the connection after the effect, ``dropped_connection`` without it.
    :param operation: operation name such as ``StartRun``, ``*`` for every operation, a call of S3 by its HTTP method
        (``s3:PUT``), a call of SQS, ECR or Service Quotas by its name (``sqs:ReceiveMessage``), or a step inside of a
        batch: ``RunBatch.validate`` (the batch fails), ``RunBatch.submit``, ``RunBatch.cancel``, ``RunBatch.delete``
        (this one run's does), ``RunBatch.abort`` (the batch fails before its next submission).
    :param count: how many calls it is injected into; None for no end.
    :param skip: how many matching calls pass before it begins.
    :param share: the part of the remaining matching calls that it is injected into, more than 0, at most 1.
    :param seconds: real seconds that ``slow_answer`` waits after the effect.
    :param code: error code of ``error_before`` and ``error_after``.
    :param http_status: HTTP status that goes with ``code``.
    :param matches: says whether the rule is about a call; only such calls count. It is asked before the effect, of
        every call of the operation that no rule before this one was injected into, and must not block.
    :param act: what is done to the client when the fault is injected, such as killing it: before or after the effect,
        as the kind has it, and in any case before the fault shows. It may block for as long as it likes.
    :raises ValueError: a member is out of its bounds, or there is no such operation.
    :raises TypeError: ``matches`` or ``act`` is no function.
    """

    kind: FaultKind
    operation: str = EVERY_OPERATION
    count: int | None = 1
    skip: int = 0
    share: float = 1.0
    seconds: float = 0.0
    code: str = "InternalServerException"
    http_status: int = 500
    matches: Callable[[CallFacts], bool] | None = None
    act: Callable[[CallFacts], object] | None = None

    def __post_init__(self) -> None:
        # From JSON the kind comes as text; a word that is no kind stops here.
        object.__setattr__(self, "kind", FaultKind(self.kind))
        if self.operation not in KNOWN_OPERATIONS:
            known = ", ".join(sorted(KNOWN_OPERATIONS))
            raise ValueError(f"operation must be one of {known}, not {self.operation!r}")
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be more than 0 and at most 1, not {self.share}")
        if self.count is not None and self.count < 1:
            raise ValueError(f"count must be at least 1 or None, not {self.count}")
        if self.skip < 0 or self.seconds < 0:
            raise ValueError(f"skip and seconds must be at least 0, not {self.skip} and {self.seconds}")
        for name in ("matches", "act"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise TypeError(f"{name} must be a function; it can only be given in Python")


@dataclass
class _ActiveRule:
    rule: FaultRule
    rng: random.Random
    seen: int = 0
    struck: int = 0

    def applies(self) -> bool:
        self.seen += 1
        if self.seen <= self.rule.skip:
            return False
        if self.rule.count is not None and self.struck >= self.rule.count:
            return False
        # Draw for every call, so that a count never shifts which later calls a share falls on.
        if self.rng.random() >= self.rule.share:
            return False
        self.struck += 1
        return True


@dataclass
class FaultPlan:
    """Rules in order; the first that applies to a call decides."""

    seed: int = 0
    _active: list[_ActiveRule] = field(default_factory=list)
    _added: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def add(self, rule: FaultRule) -> None:
        """Add a rule after the others."""
        with self._lock:
            self._active.append(_ActiveRule(rule, random.Random(f"{self.seed}:{self._added}")))
            self._added += 1

    def clear(self) -> None:
        """Remove every rule."""
        with self._lock:
            self._active.clear()
            self._added = 0

    def rules(self) -> list[tuple[FaultRule, int]]:
        """Return each rule with the number of calls it was injected into."""
        with self._lock:
            return [(active.rule, active.struck) for active in self._active]

    def inject(self, operation: str, facts: CallFacts | None = None) -> FaultRule | None:
        """Count one call of HealthOmics and return the rule whose fault is injected, if any.

        :param facts: what ``matches`` of a rule is asked about; without them no rule that has it applies.
        """
        return self._first({EVERY_OPERATION, operation}, facts)

    def inject_exactly(self, name: str, facts: CallFacts | None = None) -> FaultRule | None:
        """Count one step inside of the service, or one call of S3 or SQS; only rules with exactly its name apply.

        :param name: such as ``RunBatch.submit``, one of :data:`BATCH_STEPS`, or ``s3:PUT``.
        :param facts: as in :meth:`inject`.
        """
        return self._first({name}, facts)

    def _first(self, names: set[str], facts: CallFacts | None) -> FaultRule | None:
        with self._lock:
            active = [active for active in self._active if active.rule.operation in names]
        for one in active:
            # Outside of the lock: what a test wants to know about a call may take locks of its own.
            if _is_about(one.rule, facts):
                with self._lock:
                    if one.applies():
                        return one.rule
        return None


def _is_about(rule: FaultRule, facts: CallFacts | None) -> bool:
    return rule.matches is None or (facts is not None and rule.matches(facts))
