"""An SQS queue of events, read from a triggerer for as long as it lives."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from airflow_provider_omics.healthomics.api.backoff import EndlessBackoff
from airflow_provider_omics.healthomics.api.events import StatusEvent, UnreadableEvent, read_event
from airflow_provider_omics.healthomics.api.logger import entry
from airflow_provider_omics.healthomics.api.service_errors import CREDENTIALS_REFUSED, error_code, is_from_aws
from airflow_provider_omics.hooks.parameters import ConnectionParameters

if TYPE_CHECKING:
    from airflow_provider_omics.healthomics.api.logger import Log

_MAX_BATCH = 10
_MOST_REMEMBERED = 1000
_FOREIGN_MESSAGE_DELAY = 0.1
_SECONDS_TO_FINISH = 5.0


class _Client(Protocol):
    """What is used of an aiobotocore client of SQS."""

    async def receive_message(self, **members: Any) -> Mapping[str, Any]: ...

    async def delete_message_batch(self, **members: Any) -> Mapping[str, Any]: ...

    async def __aexit__(self, *_: object) -> None: ...


@dataclass(frozen=True)
class Received:
    """An event with the message that brought it.

    :ivar receipt: what the message is deleted with.
    """

    event: StatusEvent
    message_id: str
    receipt: str


@dataclass(frozen=True, kw_only=True)
class ReceiveOptions:
    """How a queue is read.

    :param wait_time_seconds: for how long one call waits for a message, 1 to 20.
    :param max_number_of_messages: most messages of one call, 1 to 10.
    :param visibility_timeout: seconds for which a message is kept from other readers; None for the queue's own.
    """

    wait_time_seconds: int = 20
    max_number_of_messages: int = 10
    visibility_timeout: int | None = None


class EventQueue:
    """A consumer of one SQS queue of events; a context manager.

    Errors never leave it: it pauses and tries again, since an asset watcher has no task that could fail. A message is
    deleted only once it is acknowledged by :meth:`ack`, or is about something of HealthOmics that is neither a run nor
    a batch. What is no event of HealthOmics is left for other readers or the queue's dead-letter queue.

    Needs ``sqs:ReceiveMessage`` and ``sqs:DeleteMessage``. See
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html

    :param url: the queue's URL.
    :param connection: how to reach it; the connection is read again when its credentials are refused.
    :param log: where to tell what goes wrong.
    :param backoff: how long to wait after an error.
    """

    def __init__(
        self,
        url: str,
        connection: ConnectionParameters,
        options: ReceiveOptions,
        log: Log,
        *,
        backoff: EndlessBackoff | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.url = url
        self._connection = connection
        self._options = options
        self._log = log
        self._backoff = backoff or EndlessBackoff()
        self._pause = pause
        self._client: _Client | None = None
        self._client_lock = asyncio.Lock()
        self._acknowledged: list[tuple[float, str]] = []
        self._logged: OrderedDict[str, None] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def ack(self, receipts: Sequence[str], *, after: float = 0.0) -> None:
        """Acknowledge messages, which has them deleted before the next call.

        :param after: for how many seconds to keep them nevertheless.
        """
        due = time.monotonic() + after
        self._acknowledged += [(due, receipt) for receipt in receipts]

    async def receive(self) -> list[Received]:
        """Wait for messages, for as long as one call does, and return their events (ReceiveMessage)."""
        if (undeleted := await self.delete_acknowledged()) is not None:
            # To receive what cannot be deleted would start the same DAG again and again.
            await self._failed(undeleted, "DeleteMessageBatch")
            return []
        try:
            async with self._client_lock:
                client = await self._connected()
            answer = await client.receive_message(**self._request())
        except Exception as error:
            await self._failed(error, "ReceiveMessage")
            return []
        self._answered()
        messages = answer.get("Messages") or []
        events = [found for message in messages if (found := self._read(message)) is not None]
        if messages and not events:
            # Messages that are left alone come back, and must not keep the triggerer busy.
            await self._pause(_FOREIGN_MESSAGE_DELAY)
        return events

    async def delete_acknowledged(self) -> Exception | None:
        """Delete the acknowledged messages that are due (DeleteMessageBatch).

        :return: what kept it from being deleted, which the next :meth:`receive` tries again and tells.
        """
        async with self._client_lock:
            now = time.monotonic()
            due = [receipt for at, receipt in self._acknowledged if at <= now]
            self._acknowledged = [entry for entry in self._acknowledged if entry[0] > now]
            while due:
                try:
                    await self._delete(due[:_MAX_BATCH])
                except Exception as error:
                    self.ack(due)
                    return error
                due = due[_MAX_BATCH:]
            return None

    async def aclose(self) -> None:
        """Delete what is due, as far as that is quick, and close the client."""
        try:
            if self._client is not None and self._acknowledged:
                await asyncio.wait_for(self.delete_acknowledged(), _SECONDS_TO_FINISH)
        except TimeoutError:
            self._log.warning("Some messages of queue %s were not deleted and will come again", self.url)
        finally:
            await self._disconnect()

    def _request(self) -> dict[str, Any]:
        wait = self._options.wait_time_seconds
        if self._acknowledged:
            # Back in time to delete, before the message is shown to others.
            wait = max(0, min(wait, int(min(self._acknowledged)[0] - time.monotonic()) + 1))
        request = {
            "QueueUrl": self.url,
            "WaitTimeSeconds": wait,
            "MaxNumberOfMessages": self._options.max_number_of_messages,
        }
        if self._options.visibility_timeout is not None:
            request["VisibilityTimeout"] = self._options.visibility_timeout
        return request

    def _read(self, message: Mapping[str, Any]) -> Received | None:
        message_id, receipt = message["MessageId"], message["ReceiptHandle"]
        try:
            event = read_event(message.get("Body", ""))
        except UnreadableEvent as why:
            self._log_once(
                message_id, f"Message {message_id} of queue {self.url} is left in the queue for others, since {why}"
            )
            return None
        if event is None:
            self.ack([receipt])
            return None
        return Received(event, message_id, receipt)

    def _log_once(self, message_id: str, text: str) -> None:
        if message_id not in self._logged:
            self._log.warning("%s", entry(text))
        self._logged[message_id] = None
        self._logged.move_to_end(message_id)
        if len(self._logged) > _MOST_REMEMBERED:
            self._logged.popitem(last=False)

    async def _delete(self, receipts: Sequence[str]) -> None:
        entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts)]
        answer = await (await self._connected()).delete_message_batch(QueueUrl=self.url, Entries=entries)
        if failed := answer.get("Failed"):
            # Most likely the message was shown to somebody again, and its receipt is void.
            first = failed[0]
            self._log.warning(
                "%d of %d messages of queue %s were not deleted and will come again: %s: %s",
                *(len(failed), len(entries), self.url, first.get("Code"), first.get("Message")),
            )

    def _answered(self) -> None:
        gap = self._backoff.on_success()
        if gap is not None:
            self._log.info("Queue %s answers again, after %.0f s", self.url, gap)

    async def _failed(self, error: Exception, operation: str) -> None:
        if not is_from_aws(error):
            # Such as a connection that Airflow does not know: it may be made meanwhile.
            self._log.exception("Reading queue %s failed", self.url)
        place = f"queue {self.url} with connection {self._connection.aws_conn_id!r}"
        step = self._backoff.on_error(error, operation, place)
        (self._log.error if step.is_permanent else self._log.warning)("%s", step.message)
        if step.is_permanent or error_code(error) in CREDENTIALS_REFUSED:
            await self._disconnect()
        await self._pause(step.seconds)

    async def _connected(self) -> _Client:
        if self._client is None:
            self._client = cast("_Client", await self._connection.hook().open_client_of("sqs"))
        return self._client

    async def _disconnect(self) -> None:
        async with self._client_lock:
            client, self._client = self._client, None
            if client is not None:
                await client.__aexit__(None, None, None)
