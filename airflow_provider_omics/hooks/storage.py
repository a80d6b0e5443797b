"""Objects in S3, read and written in constant memory through the hook's own connection."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError

from airflow_provider_omics.healthomics.api.calls import failed_operation
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError, error_code
from airflow_provider_omics.healthomics.requests.s3_uris import split_object_uri
from airflow_provider_omics.hooks.parallel import in_parallel

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from botocore.response import StreamingBody
    from mypy_boto3_s3.client import S3Client

_READ_AHEAD = 1 << 20
_PART_BYTES = 16 << 20
_UPLOAD_THREADS = 4
# As many connections as botocore keeps by default.
_CALLS_AT_A_TIME = 10
_MOST_BREAKS_IN_A_ROW = 5
_BROKEN = (HTTPClientError, IncompleteReadError, OSError)
# HeadObject has no body, so its code is the HTTP status.
_ABSENT_CODES = frozenset({"404", "NoSuchKey", "NoSuchBucket"})
_PRESENT_CODES = frozenset({"412", "PreconditionFailed"})
# Another writer is at work on the same name.
_AT_WORK_CODE = "ConditionalRequestConflict"
_MOST_WRITERS = 5
_PROOF = b"Written by an Airflow task to see whether it can write here. It may be deleted.\n"


@dataclass(frozen=True)
class ObjectVersion:
    """Content of an object in S3.

    :param size: in bytes.
    """

    etag: str
    size: int
    modified: datetime


MakeError = Callable[[Exception, str, str], OmicsServiceError]


class ObjectStorage:
    """Read and write objects in S3; made by ``OmicsHook.storage``.

    Every method raises :class:`~airflow_provider_omics.exceptions.OmicsRequestInvalidError` for a URI that
    names no object, and :class:`~airflow_provider_omics.exceptions.OmicsServiceError` for what S3 refuses.

    :param make_client: makes an S3 client.
    :param make_error: makes the error of a call from botocore's, the operation and the URI.
    """

    def __init__(self, make_client: Callable[[], S3Client], make_error: MakeError) -> None:
        self._make_client = make_client
        self._make_error = make_error

    def open(self, uri: str) -> BinaryIO:
        """Open an object for reading from its beginning to its end (GetObject).

        When the connection breaks, reading goes on where it stopped; an object that was changed meanwhile is an error,
        so that what was read is always one object's content.

        :param uri: such as ``s3://my-bucket/cohort/samples.csv``.
        """
        bucket, key = split_object_uri(uri, operation="GetObject")
        with self._explained("GetObject", uri):
            content = _Content(self._client, bucket, key, lambda error: self._make_error(error, "GetObject", uri))
        return io.BufferedReader(content, _READ_AHEAD)

    def exists(self, uri: str) -> bool:
        """Whether there is such an object (HeadObject)."""
        return self.version(uri) is not None

    def version(self, uri: str) -> ObjectVersion | None:
        """Return which content an object has now; None if there is no such object (HeadObject)."""
        bucket, key = split_object_uri(uri, operation="HeadObject")
        with self._explained("HeadObject", uri):
            try:
                answer = self._client.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if error_code(error) in _ABSENT_CODES:
                    return None
                raise
        return ObjectVersion(answer["ETag"], answer["ContentLength"], answer["LastModified"])

    def read_range(self, uri: str, version: ObjectVersion, start: int, size: int) -> bytes:
        """Read a part of an object, which must not have been written since (GetObject).

        :param version: the content that is read.
        :param start: offset of the first byte.
        :param size: most bytes.
        """
        bucket, key = split_object_uri(uri, operation="GetObject")
        part = f"bytes={start}-{start + size - 1}"
        with self._explained("GetObject", uri):
            answer = self._client.get_object(Bucket=bucket, Key=key, Range=part, IfMatch=version.etag)
            return answer["Body"].read()

    def put_once(self, uri: str, path: Path) -> bool:
        """Upload a file unless there is an object of that name, which is never written again (PutObject).

        :return: whether this call wrote it; False also when another writer was faster.
        """
        bucket, key = split_object_uri(uri, operation="PutObject")
        if self.exists(uri):
            return False
        with self._explained("PutObject", uri):
            try:
                _upload(self._client_that_keeps, path, bucket, key)
            except ClientError as error:
                if error_code(error) in _PRESENT_CODES:
                    return False
                raise
        return True

    def put_all_once(self, objects: Iterable[tuple[str, bytes]], content_type: str) -> int:
        """Write many small objects, none of them over one that there is (PutObject).

        :param objects: the URI and the content of each.
        :param content_type: such as ``text/csv``.
        :return: how many this call wrote.
        """
        client = self._client

        def put(named: tuple[str, bytes]) -> bool:
            return self._put_if_absent(client, *named, content_type)

        return sum(written for _, written in in_parallel(put, objects, _CALLS_AT_A_TIME))

    def _put_if_absent(self, client: S3Client, uri: str, content: bytes, content_type: str) -> bool:
        bucket, key = split_object_uri(uri, operation="PutObject")
        with self._explained("PutObject", uri):
            for writers_left in reversed(range(_MOST_WRITERS)):
                try:
                    client.put_object(Bucket=bucket, Key=key, Body=content, ContentType=content_type, IfNoneMatch="*")
                except ClientError as error:
                    if error_code(error) in _PRESENT_CODES:
                        return False
                    if error_code(error) != _AT_WORK_CODE or not writers_left:
                        raise
                else:
                    return True
        return False

    def write(self, uri: str, lines: Iterable[bytes | str], content_type: str) -> None:
        """Write an object, in place of what is there (PutObject); nothing is written unless all lines were given.

        :param lines: the content, with line ends; text becomes UTF-8.
        :param content_type: such as ``text/csv``.
        """
        bucket, key = split_object_uri(uri, operation="PutObject")
        with tempfile.NamedTemporaryFile(prefix="omics-") as file:
            for line in lines:
                file.write(line.encode() if isinstance(line, str) else line)
            file.flush()
            with self._explained("PutObject", uri):
                _upload(self._client, Path(file.name), bucket, key, ContentType=content_type)

    def prove_writable(self, uri: str) -> None:
        """Find out whether an object can be written: write a small one, and delete it again (PutObject, DeleteObject).

        It stays where it may not be deleted.

        :param uri: a name that nothing else has.
        """
        bucket, key = split_object_uri(uri, operation="PutObject")
        with self._explained("PutObject", uri):
            self._client.put_object(Bucket=bucket, Key=key, Body=_PROOF, ContentType="text/plain")
        with suppress(ClientError, BotoCoreError):
            self._client.delete_object(Bucket=bucket, Key=key)

    @cached_property
    def _client(self) -> S3Client:
        return self._make_client()

    @cached_property
    def _client_that_keeps(self) -> S3Client:
        client = self._make_client()
        # boto3's transfers have no parameter for it.
        for operation in ("PutObject", "CompleteMultipartUpload"):
            client.meta.events.register(f"provide-client-params.s3.{operation}", _only_if_absent)
        return client

    @contextmanager
    def _explained(self, operation: str, uri: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise self._make_error(error, failed_operation(error) or operation, uri) from error


def _only_if_absent(params: dict[str, Any], **_: Any) -> None:
    params["IfNoneMatch"] = "*"


def _upload(client: S3Client, path: Path, bucket: str, key: str, **settings: str) -> None:
    from boto3.s3.transfer import TransferConfig, create_transfer_manager

    config = TransferConfig(
        multipart_threshold=_PART_BYTES,
        multipart_chunksize=_PART_BYTES,
        max_concurrency=_UPLOAD_THREADS,
        # The other one makes its requests without this client, and so without its conditions.
        preferred_transfer_client="classic",
    )
    with create_transfer_manager(client, config) as manager:
        manager.upload(str(path), bucket, key, extra_args=settings).result()


class _Content(io.RawIOBase):
    """The bytes of one object, asked for again from where the connection broke."""

    def __init__(
        self, client: S3Client, bucket: str, key: str, make_error: Callable[[Exception], OmicsServiceError]
    ) -> None:
        super().__init__()
        self._client, self._bucket, self._key, self._make_error = client, bucket, key, make_error
        answer = client.get_object(Bucket=bucket, Key=key)
        self._body: StreamingBody = answer["Body"]
        self._etag, self._size = answer["ETag"], answer["ContentLength"]
        self._position = 0
        self.name = f"s3://{bucket}/{key}"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        chunk = self._next(len(view))
        view[: len(chunk)] = chunk
        self._position += len(chunk)
        return len(chunk)

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()

    def _next(self, most: int) -> bytes:
        breaks = 0
        while True:
            try:
                if breaks and not self._ask_again():
                    return b""
                return self._body.read(most)
            except _BROKEN as error:
                breaks += 1
                if breaks > _MOST_BREAKS_IN_A_ROW:
                    raise self._make_error(error) from error
            except (ClientError, BotoCoreError) as error:
                raise self._make_error(error) from error

    def _ask_again(self) -> bool:
        self._body.close()
        if self._position >= self._size:
            return False
        rest = f"bytes={self._position}-"
        answer = self._client.get_object(Bucket=self._bucket, Key=self._key, Range=rest, IfMatch=self._etag)
        self._body = answer["Body"]
        return True
