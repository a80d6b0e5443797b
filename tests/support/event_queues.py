"""Queues of SQS that EventBridge rules fill, on the local server."""

from __future__ import annotations

import json
import uuid
from typing import Any

from airflow_provider_omics.local import LocalOmics


class EventQueueOnServer:
    """A queue with a rule for ``aws.omics`` events.

    :param pattern: further members of the rule's pattern.
    """

    def __init__(self, server: LocalOmics, *, name: str | None = None, **pattern: Any) -> None:
        self._sqs, self._events = server.client("sqs"), server.client("events")
        self.name = name or f"queue-{uuid.uuid4()}"
        self.url: str = self._sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self._pattern = {"source": ["aws.omics"], **pattern}

    def open(self) -> EventQueueOnServer:
        """Make the rule, which fills the queue from now on."""
        self._events.put_rule(Name=self.name, EventPattern=json.dumps(self._pattern))
        self._events.put_targets(Rule=self.name, Targets=[{"Id": "queue", "Arn": self.attributes()["QueueArn"]}])
        return self

    def close(self) -> None:
        """Remove the rule."""
        self._events.remove_targets(Rule=self.name, Ids=["queue"])
        self._events.delete_rule(Name=self.name)

    def keep_hidden(self, *, seconds: int) -> None:
        """Set for how long a message that was received is kept from others."""
        self._sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"VisibilityTimeout": str(seconds)})

    def send(self, body: str) -> str:
        """Send a message that no rule sends; return its id."""
        message_id: str = self._sqs.send_message(QueueUrl=self.url, MessageBody=body)["MessageId"]
        return message_id

    def attributes(self) -> dict[str, str]:
        """Return the queue's attributes."""
        found: dict[str, str] = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        return found

    @property
    def held(self) -> int:
        """How many messages there are, those that somebody has received included."""
        counts = self.attributes()  # of one answer: between two a message can become visible again
        return sum(int(counts[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible"))

    @property
    def waiting(self) -> int:
        """How many messages can be received."""
        return int(self.attributes()["ApproximateNumberOfMessages"])

    @property
    def received(self) -> int:
        """How many messages somebody has received and not deleted."""
        return int(self.attributes()["ApproximateNumberOfMessagesNotVisible"])
