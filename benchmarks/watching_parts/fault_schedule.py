"""What goes wrong during a day, in the server's process: storms of throttling, dropped connections, old keys."""

from __future__ import annotations

from collections import Counter

from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule

_DROPPED, _DROPPED_IN_STORMS, _THROTTLED_IN_STORMS = 0.005, 0.1, 0.7
_struck: Counter[str] = Counter()


def change(server: LocalOmics, key: str, *, storm: bool) -> None:
    """Refuse all keys but one as expired, and let a storm begin or end."""
    _count(server)
    server.faults.clear()
    # A plan draws the same numbers each time it is filled.
    server.faults.seed += 1
    server.faults.add(
        FaultRule(
            kind=FaultKind.ERROR_BEFORE,
            code="ExpiredTokenException",
            http_status=403,
            count=None,
            matches=lambda facts: facts.access_key != key,
        )
    )
    dropped = _DROPPED_IN_STORMS if storm else _DROPPED
    server.faults.add(FaultRule(kind=FaultKind.DROPPED_CONNECTION, count=None, share=dropped))
    server.faults.add(FaultRule(kind=FaultKind.LOST_ANSWER, count=None, share=_DROPPED))
    if storm:
        server.faults.add(FaultRule(kind=FaultKind.THROTTLE, count=None, share=_THROTTLED_IN_STORMS))


def struck(server: LocalOmics) -> dict[str, int]:
    """Return how many calls each kind of fault struck."""
    _count(server)
    server.faults.clear()
    return dict(_struck)


def _count(server: LocalOmics) -> None:
    for rule, calls in server.faults.rules():
        name = rule.code if rule.kind is FaultKind.ERROR_BEFORE else rule.kind.value
        _struck[name] += calls
