"""Starting DAGs when runs and batches change their status, whoever started them. Needs Airflow 3.0 or later."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Hashable, Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.triggers.base import TriggerEvent

from airflow_provider_omics.compat import BaseEventTrigger, SharedStreamProducer
from airflow_provider_omics.healthomics.api.events import EventFilter, EventKind, StatusEvent, known_statuses
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError
from airflow_provider_omics.hooks.event_queue import EventQueue, ReceiveOptions
from airflow_provider_omics.hooks.parameters import ConnectionParameters

if TYPE_CHECKING:
    from airflow.triggers.shared_stream import AdvanceItem

    from airflow_provider_omics.healthomics.api.logger import Log

_QUEUE_URL = re.compile(r"https?://[^/\s]+/\S+")
_MOST_SECONDS_OF_A_CALL = 20
_MOST_MESSAGES_OF_A_CALL = 10
_MOST_VISIBILITY_SECONDS = 43_200
# Airflow stores some tens of events a second; more would wait for it until their messages are shown to others again.
_MOST_IN_FLIGHT = 200
# Before Airflow 3.3 nobody says when an event was stored; by then it was, unless the triggerer died.
_SECONDS_UNTIL_STORED = 10.0


class OmicsRunEventTrigger(BaseEventTrigger):
    """Fire an event for each run or batch that ended, read from an SQS queue that an EventBridge rule fills.

    For an ``AssetWatcher``: every event becomes an event of the asset, and so starts the DAGs that are scheduled on it;
    one DAG run can have several. Its ``extra["payload"]`` has the members ``kind``, ``id``, ``arn``, ``uuid``,
    ``status``, ``name``, ``time``, ``account``, ``region``, ``workflow_id``, ``run_output_uri``, ``detail``,
    ``event_id`` and ``identity`` of :class:`~airflow_provider_omics.healthomics.api.events.StatusEvent`.

    An event is handed over at least once: ``identity`` is the same for all that tell the same change. Its message is
    deleted when Airflow 3.3 has stored the event, and before 3.3 ten seconds after it was handed over. A triggerer that
    dies earlier leaves the message in the queue, which shows it again after its visibility timeout (take 30 seconds
    or more). An event that passes no filter is deleted too. A message that is no event of HealthOmics is left in the
    queue, and told once: give the queue a dead-letter queue, which takes it out.

    On Airflow 3.3, triggers of one triggerer with the same queue and connection share one reader, and each gets every
    event. Before, and in several triggerers, they take messages away from each other: give each a queue of its own.

    It never fails: after an error it pauses, up to a minute after one that passes, five minutes after one that does not
    (no such queue, access denied), tells it in the triggerer's log, and tries again. The queue
    is in the connection's Region.

    See https://docs.aws.amazon.com/omics/latest/dev/eventbridge.html

    :param sqs_queue: URL of the queue, a standard one. Required.
    :param kinds: ``run``, ``batch``, or both; None for both.
    :param statuses: statuses to fire for, such as ``FAILED``; None for those in which a run (COMPLETED, FAILED,
        CANCELLED) or a batch (PROCESSED, FAILED, CANCELLED) has ended.
    :param workflow_ids: fire only for these workflows; None for all. Events that do not name their workflow, as those
        of older releases of the service, pass no such filter.
    :param wait_time_seconds: for how long one call waits for a message, 1 to 20. Default ``20``.
    :param max_number_of_messages: most messages of one call, 1 to 10. Default ``10``.
    :param visibility_timeout: seconds for which a message that was received is kept from other readers, 1 to 43,200;
        None for the queue's own.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    :raises OmicsRequestInvalidError: an argument has a value that cannot work.
    """

    def __init__(
        self,
        *,
        sqs_queue: str,
        kinds: Sequence[str] | None = None,
        statuses: Sequence[str] | None = None,
        workflow_ids: Sequence[str] | None = None,
        wait_time_seconds: int = 20,
        max_number_of_messages: int = 10,
        visibility_timeout: int | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sqs_queue = sqs_queue
        self.kinds = _ordered(kinds)
        self.statuses = _ordered(statuses)
        self.workflow_ids = _ordered(workflow_ids)
        self.wait_time_seconds = wait_time_seconds
        self.max_number_of_messages = max_number_of_messages
        self.visibility_timeout = visibility_timeout
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        if issues := list(self._issues()):
            raise OmicsRequestInvalidError(type(self).__name__, issues)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the trigger is stored as: its class and its arguments, all of them JSON."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "sqs_queue": self.sqs_queue,
            "kinds": self.kinds,
            "statuses": self.statuses,
            "workflow_ids": self.workflow_ids,
            "wait_time_seconds": self.wait_time_seconds,
            "max_number_of_messages": self.max_number_of_messages,
            "visibility_timeout": self.visibility_timeout,
            **ConnectionParameters.of(self).to_payload(),
        }

    def shared_stream_key(self) -> Hashable:
        """Return what is the same for all triggers that read a queue together (Airflow 3.3)."""
        # How they read it is left out: two readers of one queue would take messages away from each other.
        classpath, arguments = self.serialize()
        connection = json.dumps(ConnectionParameters.of(self).to_payload(), sort_keys=True)
        return classpath, arguments["sqs_queue"], connection

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Return what reads the queue for all of them."""
        trigger = cls(**kwargs)
        return _Producer(trigger.new_queue(trigger.log))

    async def filter_shared_stream(self, shared_stream: AsyncIterator[StatusEvent]) -> AsyncIterator[TriggerEvent]:
        """Fire for each event of the shared reader that passes the filter."""
        wanted = self._filter()
        async for event in shared_stream:
            if wanted.passes(event):
                yield _fired(event)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire for each event of a reader of its own that passes the filter."""
        wanted = self._filter()
        async with self.new_queue(self.log) as queue:
            while True:
                for received in await queue.receive():
                    passes = wanted.passes(received.event)
                    if passes:
                        yield _fired(received.event)
                    queue.ack([received.receipt], after=_SECONDS_UNTIL_STORED if passes else 0.0)

    def new_queue(self, log: Log) -> EventQueue:
        """Return the queue, to be read."""
        reading = ReceiveOptions(
            wait_time_seconds=self.wait_time_seconds,
            max_number_of_messages=self.max_number_of_messages,
            visibility_timeout=self.visibility_timeout,
        )
        return EventQueue(self.sqs_queue, ConnectionParameters.of(self), reading, log)

    def _filter(self) -> EventFilter:
        return EventFilter(
            kinds=_kinds(self.kinds),
            statuses=None if self.statuses is None else frozenset(self.statuses),
            workflow_ids=None if self.workflow_ids is None else frozenset(self.workflow_ids),
        )

    def _issues(self) -> Iterator[Issue]:
        yield from _queue_issues(self.sqs_queue)
        wrong_kinds = list(_choice_issues("kinds", self.kinds, [str(kind) for kind in EventKind]))
        yield from wrong_kinds
        if not wrong_kinds:
            yield from _choice_issues("statuses", self.statuses, known_statuses(_kinds(self.kinds)))
        yield from _choice_issues("workflow_ids", self.workflow_ids, None)
        yield from _number_issues("wait_time_seconds", self.wait_time_seconds, _MOST_SECONDS_OF_A_CALL)
        yield from _number_issues("max_number_of_messages", self.max_number_of_messages, _MOST_MESSAGES_OF_A_CALL)
        if self.visibility_timeout is not None:
            yield from _number_issues("visibility_timeout", self.visibility_timeout, _MOST_VISIBILITY_SECONDS)
        yield from _json_issues("botocore_config", self.botocore_config)


class _Message(NamedTuple):
    """What a message is deleted with, and which call received it."""

    receipt: str
    call: int


class _Producer(SharedStreamProducer):
    """Reads a queue for triggers of Airflow 3.3, and deletes a message when all of them are done with its event."""

    def __init__(self, queue: EventQueue) -> None:
        self._queue = queue
        self._in_flight = 0
        self._moved_on = asyncio.Event()

    async def open_stream(self) -> AsyncIterator[tuple[StatusEvent, _Message]]:
        """Yield each event with its message."""
        for call in count():
            while self._in_flight >= _MOST_IN_FLIGHT:
                self._moved_on.clear()
                await self._moved_on.wait()
            for received in await self._queue.receive():
                self._in_flight += 1
                yield received.event, _Message(received.receipt, call)

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Delete the messages whose events were stored or passed no filter; the others will come again."""
        self._in_flight -= len(batch)
        self._moved_on.set()
        self._queue.ack([item.broker_payload.receipt for item in batch if item.outcome.is_clean])
        await self._queue.delete_acknowledged()

    def get_advance_lane(self, broker_payload: _Message) -> Hashable:
        """Return a lane for each call: its messages are deleted with one, and wait for no others."""
        return broker_payload.call

    async def aclose(self) -> None:
        """Close the client."""
        await self._queue.aclose()


def _fired(event: StatusEvent) -> TriggerEvent:
    return TriggerEvent(event.to_payload())  # type: ignore[no-untyped-call]


def _kinds(names: list[str] | None) -> frozenset[EventKind]:
    return frozenset(EventKind) if names is None else frozenset(EventKind(name) for name in names)


def _ordered(given: Any) -> Any:
    """Return texts in an order of their own, so that the same trigger is stored the same way."""
    if isinstance(given, (list, tuple, set, frozenset)) and all(isinstance(one, str) for one in given):
        return sorted({str(one) for one in given})
    return given


def _queue_issues(url: Any) -> Iterator[Issue]:
    if not isinstance(url, str) or not _QUEUE_URL.fullmatch(url):
        fix = "Give the queue's URL, such as https://sqs.us-east-1.amazonaws.com/123456789012/healthomics-events"
        yield Issue("sqs_queue", f"is {url!r}, which is no URL of a queue", fix)
    elif url.endswith(".fifo"):
        # EventBridge keeps no order that it could keep, and one message that is left would hold up all after it.
        yield Issue("sqs_queue", f"is {url!r}, a FIFO queue", "Let the rule fill a standard queue")


def _choice_issues(name: str, given: Any, known: list[str] | None) -> Iterator[Issue]:
    if given is None:
        return
    if not isinstance(given, list) or not given or not all(isinstance(one, str) and one for one in given):
        yield Issue(name, f"is {given!r}, not a list of texts with something in it", "Give a list, or None")
    elif unknown := [one for one in given if known is not None and one not in known]:
        yield Issue(name, f"has {', '.join(map(repr, unknown))}", f"Take from {', '.join(known or [])}")


def _number_issues(name: str, given: Any, most: int) -> Iterator[Issue]:
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= most:
        yield Issue(name, f"is {given!r}", f"Give a whole number from 1 to {most:,}")


def _json_issues(name: str, given: Mapping[str, Any] | None) -> Iterator[Issue]:
    try:
        json.dumps(given)
    except (TypeError, ValueError) as error:
        yield Issue(name, f"has no form in JSON ({error})", "Give a dict of plain values")
