"""What an S3 URI must look like to name one object."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from airflow_provider_omics.healthomics.exceptions import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.model import Issue

MAX_KEY_BYTES = 1024

_S3_URI = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<key>.*))?", re.DOTALL)


def split_object_uri(uri: Any, *, operation: str, where: str = "uri") -> tuple[str, str]:
    """Split the URI of an object into bucket and key.

    :param operation: API operation that it is for, such as ``GetObject``.
    :param where: what the user calls the value, such as ``results_uri``.
    :raises OmicsRequestInvalidError: it names no object.
    """
    issues = list(object_uri_issues(where, uri))
    if issues:
        raise OmicsRequestInvalidError(operation, issues)
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def object_uri_issues(where: str, uri: Any) -> Iterator[Issue]:
    """Yield what is wrong with the URI of an object.

    :param where: what the user calls the value, such as ``results_uri``.
    """
    match = _S3_URI.fullmatch(uri) if isinstance(uri, str) else None
    if match is None:
        yield Issue(where, f"{uri!r} is not an S3 URI", "Give an object such as s3://my-bucket/cohort/samples.csv")
        return
    key = match["key"] or ""
    if not key or key.endswith("/"):
        yield Issue(where, f"{uri!r} names no object", "Give the whole name, such as s3://my-bucket/cohort/samples.csv")
    elif len(key.encode()) > MAX_KEY_BYTES:
        size = len(key.encode())
        yield Issue(where, f"the key of {uri!r} has {size} bytes; S3 takes {MAX_KEY_BYTES}", "Give a shorter name")
