"""Status changes of runs and batches, as EventBridge delivers them.

EventBridge delivers what HealthOmics announces on a best effort: an event can be missing, come twice, come late and
come before an earlier one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NoReturn

from airflow_provider_omics.healthomics.api.statuses import BatchStatus, Phase, RunStatus, classify

SOURCE = "aws.omics"


class EventKind(StrEnum):
    """What an event is about."""

    RUN = "run"
    BATCH = "batch"


_KINDS = {"Run Status Change": EventKind.RUN, "RunBatch Status Change": EventKind.BATCH}
_RESOURCES = {EventKind.RUN: "run", EventKind.BATCH: "runBatch"}
_STATUSES: dict[EventKind, type[StrEnum]] = {EventKind.RUN: RunStatus, EventKind.BATCH: BatchStatus}
_ENDS = frozenset({Phase.SUCCEEDED, Phase.SETTLED, Phase.FAILED, Phase.CANCELLED})
_ARN = re.compile(r"arn:[a-z0-9-]+:omics:(?P<region>[a-z0-9-]*):(?P<account>\d*):(?P<resource>\w+)/(?P<id>[\w-]+)")
# Databases refuse both, and a trigger's event has to be stored.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class UnreadableEvent(ValueError):
    """A message is no event of HealthOmics, or one that lacks what identifies it; the text says why."""


@dataclass(frozen=True, kw_only=True)
class StatusEvent:
    """A run or a batch has changed its status.

    :ivar event_id: EventBridge's id of the event.
    :ivar id: id of the run or batch; ids are used again after a deletion, ``uuid`` is not.
    :ivar arn: ARN of the run or batch.
    :ivar uuid: its identity; None in events of older releases of the service.
    :ivar status: the new status, such as ``COMPLETED``.
    :ivar name: its name; None if it has none.
    :ivar time: when it changed, in UTC; None if the event does not say.
    :ivar workflow_id: id of the workflow, where the event names it.
    :ivar run_output_uri: where the run's outputs are, where the event names it; None for a batch.
    :ivar detail: the members of the event's detail that are text, a batch's counts among them.
    """

    event_id: str
    kind: EventKind
    id: str
    arn: str
    uuid: str | None
    status: str
    name: str | None
    time: datetime | None
    account: str
    region: str
    workflow_id: str | None
    run_output_uri: str | None
    detail: Mapping[str, str]

    @property
    def identity(self) -> str:
        """What is the same for every event that tells the same change, however often it was sent or delivered."""
        # Without the uuid, the same id and status can be another run's.
        return f"{self.arn}/{self.uuid or self.event_id}/{self.status}"

    @property
    def phase(self) -> Phase:
        """What the status means to someone who waits for the end."""
        return classify(_STATUSES[self.kind], self.status)

    def to_payload(self) -> dict[str, Any]:
        """Return the event as JSON: its attributes, and ``identity``."""
        time = self.time.isoformat() if self.time else None
        return {**asdict(self), "kind": str(self.kind), "time": time, "identity": self.identity}


@dataclass(frozen=True)
class EventFilter:
    """Which events are wanted.

    :param kinds: of runs, of batches, or of both.
    :param statuses: statuses in capitals; None for those in which a run or batch has ended, deletions excepted.
    :param workflow_ids: workflows; None for all. An event that does not name its workflow is of none of them.
    """

    kinds: frozenset[EventKind] = frozenset(EventKind)
    statuses: frozenset[str] | None = None
    workflow_ids: frozenset[str] | None = None

    def passes(self, event: StatusEvent) -> bool:
        """Say whether an event is wanted."""
        if event.kind not in self.kinds:
            return False
        if self.workflow_ids is not None and event.workflow_id not in self.workflow_ids:
            return False
        return event.phase in _ENDS if self.statuses is None else event.status in self.statuses


def known_statuses(kinds: frozenset[EventKind]) -> list[str]:
    """Return the statuses that runs, batches or both can have, in alphabetical order."""
    return sorted({str(status) for kind in kinds for status in _STATUSES[kind]})


def read_event(body: str) -> StatusEvent | None:
    """Read a message that an EventBridge rule has sent.

    :param body: the event's JSON, unchanged by any input transformer.
    :return: the event, or None for an event of HealthOmics about neither a run nor a batch.
    :raises UnreadableEvent: it is neither.

    See https://docs.aws.amazon.com/omics/latest/dev/eventbridge.html
    """
    envelope = _parsed(body)
    source, detail_type = envelope.get("source"), envelope.get("detail-type")
    if not isinstance(source, str) or not isinstance(detail_type, str):
        raise UnreadableEvent(
            "it is no EventBridge event (source or detail-type is missing); the rule has to send the event as it is, "
            "without an input transformer, and through SNS with raw message delivery"
        )
    if source != SOURCE:
        raise UnreadableEvent(f"its source is {source[:100]!r}, not {SOURCE!r}")
    kind = _KINDS.get(detail_type)
    return None if kind is None else _status_event(kind, envelope)


def _parsed(body: str) -> Mapping[str, Any]:
    try:
        envelope = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UnreadableEvent(f"it is not JSON ({type(error).__name__})") from error
    if not isinstance(envelope, dict):
        raise UnreadableEvent("it is not a JSON object")
    return envelope


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _status_event(kind: EventKind, envelope: Mapping[str, Any]) -> StatusEvent:
    given = envelope.get("detail")
    detail = _texts(given) if isinstance(given, dict) else {}
    outer = _texts(envelope)
    arn = detail.get("arn") or _first(envelope.get("resources"))
    match = _ARN.fullmatch(arn)
    if match is None or match["resource"] != _RESOURCES[kind]:
        raise UnreadableEvent(f"it names no {kind} (detail.arn)")
    for where, text in (("id", outer.get("id")), ("detail.status", detail.get("status"))):
        if not text:
            raise UnreadableEvent(f"it has no {where}")
    return StatusEvent(
        event_id=outer["id"],
        kind=kind,
        id=match["id"],
        arn=arn,
        uuid=detail.get("uuid"),
        status=detail["status"].upper(),
        name=detail.get("runName" if kind is EventKind.RUN else "batchName"),
        time=_time(outer.get("time", "")),
        account=outer.get("account") or match["account"],
        region=outer.get("region") or match["region"],
        workflow_id=detail.get("workflowId"),
        run_output_uri=detail.get("runOutputUri"),
        detail=detail,
    )


def _texts(members: Mapping[str, Any]) -> dict[str, str]:
    """Return the members that are text and can be stored; the service sends all of them as text."""
    pairs = [(name, value) for name, value in members.items() if isinstance(value, str) and value]
    return {name: value for name, value in pairs if not _UNSTORABLE.search(name) and not _UNSTORABLE.search(value)}


def _first(resources: Any) -> str:
    arn = resources[0] if isinstance(resources, list) and resources else ""
    return arn if isinstance(arn, str) else ""


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
