"""The objects in S3 that parameters name as inputs: which there are, and whether a run will find them."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from enum import Enum
from typing import IO, Any, NamedTuple

from airflow_provider_omics.healthomics.api.calls import Request, Requests
from airflow_provider_omics.healthomics.api.service_errors import error_code, is_from_aws
from airflow_provider_omics.healthomics.requests.input_places import name_of, single_uris, texts_of
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.s3_uris import parse_s3_uri

MOST_OBJECTS = 100_000
"""Most distinct objects that are noted; more are counted."""

# A place that the run writes to, and which need not be there yet.
_OUTPUT_NAME = re.compile(
    r"(final|publish|pub)?_?(out(put)?s?|results?|publish)_?(dir(ectory)?|uri|url|path|prefix|folder|bucket|location)?",
    re.IGNORECASE,
)
_PATTERN = re.compile(r"[*?\[{]")
_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
# HeadObject has no body, so its code is the HTTP status.
_ABSENT_CODES = frozenset({"404", "NoSuchKey", "NotFound"})
_DENIED_CODES = frozenset({"403", "AccessDenied", "AllAccessDisabled", "AccountProblem"})


class InputObject(NamedTuple):
    """An object in S3, or a folder, that is an input.

    :param where: the first place that names it, in words.
    """

    where: str
    uri: str


class InputObjects:
    """The distinct inputs in S3 that parameters name, in a temporary file, in the order in which they were noted.

    :ivar count: how many there are.
    :ivar more: how many values were not noted, since there were :data:`MOST_OBJECTS` before them.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._file: IO[str] = tempfile.TemporaryFile("w+", prefix="omics-inputs-", encoding="utf-8")  # noqa: SIM115
        self.count = 0
        self.more = 0

    def note(self, parameters: Any, where: Callable[[str], str] = str) -> None:
        """Note the inputs of a run; parameters that name a place for outputs are none.

        :param parameters: an object of JSON.
        :param where: tells in words where the value of a path, such as ``parameters.bam``, was given.
        """
        for path, text in texts_of(parameters, "parameters"):
            if not text.startswith("s3://") or is_output(path):
                continue
            for uri in single_uris(text):
                self._note(path, uri, where)

    def _note(self, path: str, uri: str, where: Callable[[str], str]) -> None:
        # A hash takes a tenth of the memory of the text.
        known = hash(uri)
        if known in self._seen or parse_s3_uri(uri) is None:
            return
        if self.count == MOST_OBJECTS:
            self.more += 1
            return
        self._seen.add(known)
        self.count += 1
        self._file.write(json.dumps([where(path), uri]) + "\n")

    def __iter__(self) -> Iterator[InputObject]:
        self._file.seek(0)
        for line in self._file:
            yield InputObject(*json.loads(line))

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()


def is_output(path: str) -> bool:
    """Whether a parameter is called like a place for outputs.

    :param path: such as ``parameters.publish_dir``.
    """
    return _OUTPUT_NAME.fullmatch(name_of(path).rpartition(".")[2]) is not None


class Presence(Enum):
    """Whether a run will find an input."""

    THERE = "there"
    MISSING = "missing"
    ARCHIVED = "archived"
    DENIED = "denied"
    UNKNOWN = "could not be checked"


class Sight(NamedTuple):
    """What looking for an input came to.

    :param what: in words, if it is not there.
    :param fix: what to do about that.
    :param error: of the call, if the error says nothing about the input.
    """

    presence: Presence
    what: str = ""
    fix: str = ""
    error: Exception | None = None

    def issue(self, where: str) -> Issue:
        """Return it as what is wrong with a value."""
        return Issue(where, self.what, self.fix)


_THERE = Sight(Presence.THERE)


def look_for_input(uri: str) -> Requests[Sight]:
    """Look for an input (HeadObject); a folder, or a pattern of names, is there with its first object (ListObjectsV2).

    :param uri: a sound S3 URI.
    """
    parts = parse_s3_uri(uri)
    assert parts is not None
    try:
        prefix = _prefix_of(parts.key)
        if prefix is None:
            try:
                return _judge_object(uri, (yield Request("HeadObject", {"Bucket": parts.bucket, "Key": parts.key})))
            except Exception as error:
                if error_code(error) not in _ABSENT_CODES:
                    raise
            # An index of many files goes by what their names begin with. But what has a suffix is one file, which must
            # not count as there because sample.bam.bai is.
            prefix = f"{parts.key}/" if "." in parts.key.rpartition("/")[2] else parts.key
        members = {"Bucket": parts.bucket, "Prefix": prefix, "MaxKeys": 1}
        answer = yield Request("ListObjectsV2", members)
    except Exception as error:
        return _judge_error(uri, error)
    if answer.get("KeyCount") or answer.get("Contents"):
        return _THERE
    is_folder = uri.endswith("/") or _PATTERN.search(parts.key) is not None
    what = f"there is nothing at {uri!r}" if is_folder else f"{uri!r} does not exist"
    return Sight(Presence.MISSING, what, "Check the name, which is case-sensitive, and that it was uploaded")


def _prefix_of(key: str) -> str | None:
    """Return what the names of several objects begin with, if a key stands for several."""
    pattern = _PATTERN.search(key)
    if pattern is not None:
        return key[: pattern.start()]
    return key if not key or key.endswith("/") else None


def _judge_object(uri: str, answer: Any) -> Sight:
    archive = answer.get("StorageClass") if answer.get("StorageClass") in _ARCHIVES else answer.get("ArchiveStatus")
    restored = answer.get("Restore", "")
    if archive is None or 'ongoing-request="false"' in restored:
        return _THERE
    fix = "Restore it (RestoreObject), or copy it to another storage class, before a run reads it"
    if restored:
        fix = "Wait until it has been restored; that was asked for and goes on"
    return Sight(Presence.ARCHIVED, f"{uri!r} is archived ({archive})", fix)


def _judge_error(uri: str, error: Exception) -> Sight:
    code = error_code(error)
    if code == "NoSuchBucket":
        return Sight(Presence.MISSING, f"the bucket of {uri!r} does not exist", "Check the bucket's name")
    if code in _DENIED_CODES:
        fix = (
            "Check the bucket's name, and let the connection use s3:GetObject and s3:ListBucket there; if only the "
            "run's role may read it, set check_inputs='warn'"
        )
        return Sight(Presence.DENIED, f"{uri!r} may not be looked at with this connection ({code})", fix)
    if not is_from_aws(error):
        raise error
    return Sight(Presence.UNKNOWN, f"{uri!r} could not be checked ({code})", "Look at the message", error)
