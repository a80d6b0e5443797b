"""Copies a run's inputs out of S3 and its outputs into S3."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from airflow_provider_omics.local.aws import (
    InvalidS3Uri,
    NoSuchBucket,
    NoSuchKey,
    S3AccessDenied,
    S3Error,
    split_s3_uri,
)
from airflow_provider_omics.local.executors.run_folder import OutsideOfRun, RunFolder

if TYPE_CHECKING:
    from airflow_provider_omics.local.aws import Aws

_MOST_BYTES_OF_OBJECT = 5 << 30
_KEPT_MEMBERS = ("class", "location", "basename", "size", "format", "secondaryFiles", "listing")


class RunFailure(Exception):
    """The run fails with a code that GetRun shows as ``failureReason`` and a text, its ``statusMessage``."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Imports:
    """Fetches what the parameters of one run name.

    :param folder: the run's folder, below which everything goes.
    :ivar digests: ``etag:...`` of every object that was fetched, by URI.
    """

    def __init__(self, aws: Aws, folder: RunFolder) -> None:
        self._aws = aws
        self._folder = folder
        self.digests: dict[str, str] = {}

    def fetch(self, parameter: str, uri: str, kind: str, target: Path, *, optional: bool = False) -> bool:
        """Copy a File or a Directory out of S3.

        :param parameter: names the value in messages, such as ``reads[0].fastq_1``.
        :param kind: ``File`` or ``Directory``.
        :param target: where the copy goes.
        :param optional: whether it is no error when there is no such object.
        :return: whether there was anything.
        :raises RunFailure: with INVALID_URI_INPUT, INPUT_URI_NOT_FOUND or IMPORT_FAILED.
        """
        try:
            keys = self._keys_of_directory(uri, target) if kind == "Directory" else self._key_of_file(uri, target)
            for source, copy in keys.items():
                self._copy(source, copy)
        except (NoSuchBucket, NoSuchKey) as error:
            if optional:
                return False
            raise _failure("INPUT_URI_NOT_FOUND", parameter, uri, error) from None
        except InvalidS3Uri as error:
            raise _failure("INVALID_URI_INPUT", parameter, uri, error) from None
        except S3AccessDenied as error:
            raise _failure("IMPORT_FAILED", parameter, uri, error) from None
        return True

    def _key_of_file(self, uri: Any, target: Path) -> dict[str, Path]:
        if not isinstance(uri, str):
            raise InvalidS3Uri(f"{uri!r} is not text; give a File as s3://bucket/key")
        key = split_s3_uri(uri)[1]
        if not key or key.endswith("/"):
            raise InvalidS3Uri(f"{uri!r} names no object; a File is s3://bucket/key")
        return {uri: target}

    def _keys_of_directory(self, uri: Any, target: Path) -> dict[str, Path]:
        if not isinstance(uri, str):
            raise InvalidS3Uri(f"{uri!r} is not text; give a Directory as s3://bucket/prefix/")
        bucket, key = split_s3_uri(uri)
        prefix = f"{key.rstrip('/')}/" if key else ""
        keys = [found for found in self._aws.list_keys(f"s3://{bucket}/{prefix}") if not found.endswith("/")]
        if not keys:
            raise NoSuchKey(f"no object begins with s3://{bucket}/{prefix}")
        return {f"s3://{bucket}/{found}": target / found.removeprefix(prefix) for found in keys}

    def _copy(self, uri: str, target: Path) -> None:
        try:
            self._aws.download(uri, lambda: self._folder.create(target))
        except OutsideOfRun as error:
            raise InvalidS3Uri(f"{uri!r} has a name that cannot be a file's: {error}") from None
        head = self._aws.head(uri)
        if head is not None:
            self.digests[uri] = f"etag:{head.etag}"


class Exports:
    """Uploads what one run has made.

    :param folder: the run's folder; the outputs are in ``out`` there.
    :param target: S3 URI below which they go.
    :param check: called before every upload; raises when the run is no longer wanted.
    """

    def __init__(self, aws: Aws, folder: RunFolder, target: str, check: Callable[[], None]) -> None:
        self._aws = aws
        self._folder = folder
        self._target = target.rstrip("/")
        self._check = check

    def export(self, value: Any) -> Any:
        """Upload every File and Directory inside of a CWL output value, and return it with their S3 URIs.

        :raises RunFailure: with EXPORT_FAILED.
        """
        if isinstance(value, list):
            return [self.export(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("class") not in ("File", "Directory"):
            return {name: self.export(inner) for name, inner in value.items()}
        return self._export_object(value)

    def put(self, uri: str, content: bytes) -> None:
        """Write one object.

        :raises RunFailure: with EXPORT_FAILED.
        """
        self._check()
        try:
            self._aws.put_object(uri, content)
        except S3Error as error:
            raise RunFailure("EXPORT_FAILED", f"Cannot write {uri}: {error}") from None

    def _export_object(self, value: dict[str, Any]) -> dict[str, Any]:
        path = self._path_of(value.get("location"))
        uri = f"{self._target}/{PurePosixPath(path.relative_to(self._outputs))}"
        described = {name: value[name] for name in _KEPT_MEMBERS if name in value}
        described |= {"location": uri, "basename": path.name}
        if value["class"] == "File":
            content = self._read(path)
            described["size"] = len(content)
            self.put(uri, content)
        for members in ("secondaryFiles", "listing"):
            if members in value:
                described[members] = self.export(value[members])
        return described

    @property
    def _outputs(self) -> Path:
        return self._folder.path / "out"

    def _path_of(self, location: Any) -> Path:
        parts = urlsplit(location if isinstance(location, str) else "")
        path = Path(unquote(parts.path))
        if parts.scheme != "file" or ".." in path.parts or not path.is_relative_to(self._outputs):
            raise RunFailure("EXPORT_FAILED", f"The output {location!r} is not among the files that the run has made")
        return path

    def _read(self, path: Path) -> bytes:
        try:
            with self._folder.open(path) as file:
                size = os.fstat(file.fileno()).st_size
                if size > _MOST_BYTES_OF_OBJECT:
                    raise OutsideOfRun(f"{path.name!r} has {size:,} bytes, and the local server's S3 takes 5 GiB")
                return file.read()
        except (OutsideOfRun, OSError) as error:
            raise RunFailure("EXPORT_FAILED", f"Cannot export an output: {error}") from None


def _failure(reason: str, parameter: str, uri: str, error: S3Error) -> RunFailure:
    return RunFailure(reason, f"Parameter {parameter}: cannot read {uri!r}: {error}")
