"""What an S3 URI must look like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError

MAX_KEY_BYTES = 1024

_S3_URI = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<key>.*))?", re.DOTALL)
_IN_JSON = re.compile(r'"s3://([^/"\\]*)/([^"\\]*)')
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
# Braces with a comma are a pattern of names, {1,2}; a name in capitals is a variable of a shell.
_MARK = re.compile(
    r"\{\{.*?(?:\}\}|$)|\{%.*?%\}|\$\{[^{}]*\}|\{[^{},]*\}|<[^<>]*>|\$\([^()]*\)|%\(\w+\)s|\$[A-Z][A-Z0-9_]+\b",
    re.DOTALL,
)


class S3Uri(NamedTuple):
    """The bucket of an S3 URI, and what comes after it: the key of an object, a prefix, or nothing."""

    bucket: str
    key: str


def parse_s3_uri(uri: Any) -> S3Uri | None:
    """Return the parts of an S3 URI; None if it is none."""
    match = _S3_URI.fullmatch(uri) if isinstance(uri, str) else None
    if match is None or not is_bucket_name(match["bucket"]):
        return None
    return S3Uri(match["bucket"], match["key"] or "")


def uris_in_json(text: str) -> list[tuple[str, str]]:
    """Return bucket and key of all that begins like an S3 URI in JSON, sound or not; a key ends before an escape."""
    found: list[tuple[str, str]] = _IN_JSON.findall(text)
    return found


def is_bucket_name(name: str) -> bool:
    """Whether a bucket can have a name: 3 to 63 small letters, digits, dots and hyphens, and no address."""
    return _S3_URI.fullmatch(f"s3://{name}") is not None and ".." not in name and _ADDRESS.fullmatch(name) is None


def template_mark(text: str) -> str | None:
    """Return what was left of a template, such as ``{{ ds }}``, ``${sample}`` or ``<bucket>``; None for nothing."""
    match = _MARK.search(text)
    return None if match is None else match[0]


def place_issues(where: str, uri: Any, example: str = "s3://my-bucket/results") -> Iterator[Issue]:
    """Yield what is wrong with the URI of a place in S3: a bucket, a prefix or an object.

    :param where: what the user calls the value, such as ``output_uri``.
    :param example: a place of the kind that is wanted.
    """
    mark = template_mark(uri) if isinstance(uri, str) else None
    parts = parse_s3_uri(uri)
    if mark is not None:
        yield Issue(where, f"{uri!r} still has {mark!r}", f"Put in what it stands for, as in {example}")
    elif parts is None:
        yield Issue(where, f"{uri!r} is not an S3 URI", f"Give a place such as {example}")
    else:
        yield from _key_issues(where, uri, parts)


def split_object_uri(uri: Any, *, operation: str, where: str = "uri") -> S3Uri:
    """Split the URI of an object into bucket and key.

    :param operation: API operation that it is for, such as ``GetObject``.
    :param where: what the user calls the value, such as ``results_uri``.
    :raises OmicsRequestInvalidError: it names no object.
    """
    issues = list(object_uri_issues(where, uri))
    parts = parse_s3_uri(uri)
    if issues or parts is None:
        raise OmicsRequestInvalidError(operation, issues)
    return parts


def object_uri_issues(where: str, uri: Any) -> Iterator[Issue]:
    """Yield what is wrong with the URI of an object.

    :param where: what the user calls the value, such as ``results_uri``.
    """
    parts = parse_s3_uri(uri)
    if parts is None:
        yield Issue(where, f"{uri!r} is not an S3 URI", "Give an object such as s3://my-bucket/cohort/samples.csv")
    elif not parts.key or parts.key.endswith("/"):
        yield Issue(where, f"{uri!r} names no object", "Give the whole name, such as s3://my-bucket/cohort/samples.csv")
    else:
        yield from _key_issues(where, uri, parts)


def _key_issues(where: str, uri: Any, parts: S3Uri) -> Iterator[Issue]:
    size = len(parts.key.encode())
    if size > MAX_KEY_BYTES:
        yield Issue(where, f"the key of {uri!r} has {size} bytes; S3 takes {MAX_KEY_BYTES}", "Give a shorter name")
