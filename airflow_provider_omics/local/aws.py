"""moto's S3, CloudWatch Logs and event bus, called in process: the same ones that the HTTP front serves."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow_provider_omics.healthomics.requests.s3_uris import parse_s3_uri
from airflow_provider_omics.local.artefacts.reads import announce_objects, watch_reads

if TYPE_CHECKING:
    from moto.events.models import EventsBackend
    from moto.logs.models import LogsBackend, LogStream
    from moto.s3.models import FakeBucket, FakeKey, S3Backend

log = logging.getLogger(__name__)


class S3Error(Exception):
    """An object in S3 cannot be used; the text names the URI."""


class InvalidS3Uri(S3Error):
    """The text is not an S3 URI."""


class NoSuchBucket(S3Error):
    """The bucket does not exist."""


class NoSuchKey(S3Error):
    """The bucket has no such object."""


class S3AccessDenied(S3Error):
    """The bucket belongs to another account, or its policy denies the call."""


class ObjectTooLarge(S3Error):
    """The object is larger than what is to be read."""


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """What S3 knows about an object without reading it.

    :ivar etag: without the quotes that HTTP puts around it.
    :ivar size: bytes.
    """

    etag: str
    size: int


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key; the key is empty when the URI names a bucket alone.

    :raises InvalidS3Uri: the text is not of that form.
    """
    parts = parse_s3_uri(uri)
    if parts is None:
        raise InvalidS3Uri(f"{uri!r} is not an S3 URI; write s3://bucket/key")
    return parts


class Aws:
    """S3, CloudWatch Logs and the default event bus of one account in one region.

    :param region: region of logs and events; S3 has one name space per partition.
    :param account: account id, 12 digits.
    """

    def __init__(self, region: str, account: str) -> None:
        self.region = region
        self.account = account
        self._logs_lock = threading.Lock()

    def get_object(self, uri: str, *, most_bytes: int | None = None) -> bytes:
        """Return an object's content.

        :param most_bytes: a larger object is not read; None reads any.
        :raises S3Error: one of :class:`InvalidS3Uri`, :class:`NoSuchBucket`, :class:`NoSuchKey`,
            :class:`S3AccessDenied`, :class:`ObjectTooLarge`.
        """
        key = self._key(uri)
        if most_bytes is not None and key.size > most_bytes:
            raise ObjectTooLarge(f"object {uri} has {key.size:,} bytes, and at most {most_bytes:,} are read")
        return key.value

    def download(self, uri: str, create: Callable[[], BinaryIO]) -> None:
        """Copy an object into a file without holding the whole of it in memory.

        :param create: opens the file, once the object is found.
        :raises S3Error: as :meth:`get_object`.
        """
        key = self._key(uri)
        with create() as file, key.lock:
            key._value_buffer.seek(0)
            shutil.copyfileobj(key._value_buffer, file, 1 << 20)

    def head(self, uri: str) -> ObjectHead | None:
        """Return an object's etag and size, or None when bucket or object does not exist.

        :raises S3Error: :class:`InvalidS3Uri` or :class:`S3AccessDenied`.
        """
        try:
            key = self._key(uri)
        except (NoSuchBucket, NoSuchKey):
            return None
        return ObjectHead(etag=key.etag.strip('"'), size=key.size)

    def put_object(self, uri: str, content: bytes | Path) -> ObjectHead:
        """Write an object.

        :param content: the bytes, or a file to read them from (moto takes them as a whole).
        :raises S3Error: :class:`InvalidS3Uri`, :class:`NoSuchBucket` or :class:`S3AccessDenied`.
        """
        name, key_name = split_s3_uri(uri)
        self._check_allowed(self._bucket(name), "s3:PutObject", name, key_name)
        value = content.read_bytes() if isinstance(content, Path) else content
        key = self._s3.put_object(name, key_name, value)
        return ObjectHead(etag=key.etag.strip('"'), size=key.size)

    def ensure_bucket(self, name: str) -> None:
        """Make a bucket unless it is there; for what the service itself hands out."""
        if name not in self._s3.buckets:
            self._s3.create_bucket(name, self.region)

    def list_keys(self, uri: str) -> list[str]:
        """Return the keys that begin with the URI's key, in S3's order.

        :param uri: ``s3://bucket`` or ``s3://bucket/prefix``.
        :raises S3Error: :class:`InvalidS3Uri`, :class:`NoSuchBucket` or :class:`S3AccessDenied`.
        """
        name, prefix = split_s3_uri(uri)
        bucket = self._bucket(name)
        self._check_allowed(bucket, "s3:ListBucket", name)
        announce_objects(name, prefix, below=True)
        present = [key for key in list(bucket.keys.keys()) if key.startswith(prefix)]
        return sorted(key for key in present if self._s3.get_object(name, key) is not None)

    def check_writable(self, uri: str) -> None:
        """Check that objects can be written below a URI.

        :raises S3Error: :class:`InvalidS3Uri`, :class:`NoSuchBucket` or :class:`S3AccessDenied`.
        """
        name, key = split_s3_uri(uri)
        self._check_allowed(self._bucket(name), "s3:PutObject", name, key)

    def put_log_lines(self, group: str, stream: str, lines: Sequence[tuple[datetime, str]]) -> None:
        """Append lines to a log stream, and make group and stream when they do not exist yet.

        Unlike PutLogEvents it takes any time, since the server's clock may run fast or stand still.

        :param lines: pairs of time and text, oldest first.
        """
        entries = [{"timestamp": int(when.timestamp() * 1000), "message": text} for when, text in lines]
        if entries:
            log_stream = self._log_stream(group, stream, lines[0][0])
            with self._logs_lock:
                log_stream.put_log_events(entries)

    def has_log_subscribers(self, group: str) -> bool:
        """Whether a log group has subscription filters, which send what is written there to somebody."""
        if "moto.logs.models" not in sys.modules or group not in self._logs.groups:
            return False
        return bool(self._logs.groups[group].subscription_filters)

    def has_object_listeners(self, uri: str) -> bool:
        """Whether the bucket of a sound S3 URI notifies somebody of new objects."""
        if "moto.s3.models" not in sys.modules:
            return False
        bucket = self._s3.buckets.get(uri.split("/", 3)[2])
        return bucket is not None and bucket.notification_configuration is not None

    def has_listeners(self) -> bool:
        """Whether the default event bus has any rule; without one an event reaches nobody."""
        return bool(self._events.event_buses["default"].rules)

    def put_event(self, detail_type: str, resources: Iterable[str], detail: dict[str, Any], when: datetime) -> None:
        """Put an ``aws.omics`` event on the default bus, so that its rules send it to their targets.

        Delivery is best effort, as the service's is: a target that fails is logged and nothing else happens.

        :param detail_type: such as ``Run Status Change``.
        :param resources: ARNs that the event is about.
        :param when: time of the change.
        """
        if not self.has_listeners():
            return
        entry = {
            "Source": "aws.omics",
            "DetailType": detail_type,
            "Resources": list(resources),
            "Detail": json.dumps(detail),
            "Time": when.timestamp(),
        }
        try:
            self._events.put_events([entry])
        except Exception:
            # Whatever is wrong with a user's rule or target, the change of state has already happened.
            log.warning("An EventBridge target failed for %s of %s", detail_type, resources, exc_info=True)

    @property
    def _s3(self) -> S3Backend:
        # Each time, since nothing is watched before there is somebody to tell.
        watch_reads()
        return self._s3_backend

    @cached_property
    def _s3_backend(self) -> S3Backend:
        from moto.backends import get_backend
        from moto.utilities.utils import get_partition

        return get_backend("s3")[self.account][get_partition(self.region)]

    @cached_property
    def _logs(self) -> LogsBackend:
        from moto.backends import get_backend

        return get_backend("logs")[self.account][self.region]

    @cached_property
    def _events(self) -> EventsBackend:
        from moto.backends import get_backend

        _give_events_their_account()
        return get_backend("events")[self.account][self.region]

    def _bucket(self, name: str) -> FakeBucket:
        from moto.s3.exceptions import AccessDeniedByLock, MissingBucket

        try:
            return self._s3.get_bucket(name)
        except MissingBucket:
            raise NoSuchBucket(f"bucket s3://{name} does not exist") from None
        except AccessDeniedByLock:
            raise S3AccessDenied(f"bucket s3://{name} belongs to another account") from None

    def _key(self, uri: str) -> FakeKey:
        name, key_name = split_s3_uri(uri)
        bucket = self._bucket(name)
        self._check_allowed(bucket, "s3:GetObject", name, key_name)
        key = self._s3.get_object(name, key_name)
        if key is None:
            raise NoSuchKey(f"object {uri} does not exist")
        return key

    @staticmethod
    def _check_allowed(bucket: FakeBucket, action: str, name: str, key: str = "") -> None:
        if bucket.policy is None:
            return
        from moto.iam.access_control import PermissionResult

        resource = f"arn:{bucket.partition}:s3:::{name}" + (f"/{key}" if key else "")
        if bucket.get_permission(action, resource) == PermissionResult.DENIED:
            raise S3AccessDenied(f"the policy of bucket s3://{name} denies {action} on {resource}")

    def _log_stream(self, group: str, stream: str, when: datetime) -> LogStream:
        with self._logs_lock:
            self._logs.ensure_log_group(group)
            streams = self._logs.groups[group].streams
            if stream not in streams:
                self._logs.ensure_log_stream(group, stream)
                # By the server's clock, as its lines are, and not by the moment at which they are first read.
                streams[stream].creation_time = when.astimezone(UTC).replace(tzinfo=None)
            return streams[stream]


def _give_events_their_account() -> None:
    from moto.events.utils import EventTemplateParser

    # What moto 5.2 sends to a target without a transformer of its own has all members of the envelope but this one.
    template = EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE
    if "<account>" not in template:
        EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE = template.replace(
            '"source":', '"account": "<account>", "source":', 1
        )
