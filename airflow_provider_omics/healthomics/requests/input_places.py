"""Judging a parameter's value that names where an input is: whether HealthOmics can read it there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import unquote

from airflow_provider_omics.healthomics.requests.invisible import hidden, trimmed
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.s3_uris import MAX_KEY_BYTES, parse_s3_uri, template_mark

_EXAMPLE = "s3://my-bucket/reads/sample_R1.fastq.gz"
_S3_LIKE = re.compile(r"s3[an]?(?::(?![:\s]|$)|\s*:?\s*//)", re.IGNORECASE)
# What copying a URI out of a text, a form or a program takes along.
_WRAPPING = "'\"`<>()\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb,;"
_SEVERAL = re.compile(r"s3://\S*?(?:\s+|\s*[,;|]\s*)s3://", re.IGNORECASE)
# Made up, as in examples and tests, where nothing is read.
_SHORT_BUCKET = re.compile(r"s3://[a-z0-9]{1,2}(/|$)")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_ARN = re.compile(r"arn:aws[a-z-]*:s3:", re.IGNORECASE)
_BETWEEN = re.compile(r"(?:\s+|\s*[,;|]\s*)(?=s3://)", re.IGNORECASE)
_LOCAL = re.compile(
    r"(?:/|\.{1,2}/|~[\w.-]*/|\$[a-z_]\w*/)[^\s]*\w|(?:[a-z]:|%[a-z_]\w*%)[\\/]\w|\\\\\w|file:", re.IGNORECASE
)
# A place whose bucket or folder is a mark of a template.
_MARK_FIRST = re.compile(r"(?:\{\{.*?\}\}|\$\{[^{}]*\}|\{[^{},]*\}|\$\([^()]*\)|<[^<>]*>)/[^\s]", re.DOTALL)
_MARK_ALONE = re.compile(r"\{\{.*\}\}", re.DOTALL)
_BUCKET_URL = re.compile(
    r"https?://(?:(?P<host>[a-z0-9][a-z0-9.-]+)\.s3[.-](?:[a-z0-9-]+\.)*amazonaws\.com(?:\.cn)?/(?P<key>[^?]+)"
    r"|s3[.-](?:[a-z0-9-]+\.)*amazonaws\.com(?:\.cn)?/(?P<path>[^?]+))",
    re.IGNORECASE,
)
_CONSOLE_PAGE = re.compile(r"https://(?:[a-z0-9-]+\.)*console\.(?:aws\.amazon\.com|amazonaws\.cn)/s3/", re.IGNORECASE)
_OF_OTHER_CLOUDS = {
    "gs": "Google Cloud Storage",
    "gcs": "Google Cloud Storage",
    "az": "Azure storage",
    "abfs": "Azure storage",
    "abfss": "Azure storage",
    "wasb": "Azure storage",
    "wasbs": "Azure storage",
    "adl": "Azure storage",
    "oss": "Alibaba Cloud",
    "hdfs": "a Hadoop cluster",
    "dbfs": "Databricks",
    "dx": "DNAnexus",
    "drs": "a DRS server",
    "irods": "an iRODS server",
    "swift": "OpenStack",
    "ssh": "another machine",
    "scp": "another machine",
    "sftp": "another machine",
    "smb": "another machine",
}
_OF_THE_SERVICE, _OF_THE_INTERNET = "omics", ("https", "http", "ftp")


class Gravity(Enum):
    """What to do about a value."""

    REFUSED = "refused"
    TOLD = "told"
    LOCAL = "local"


class Finding(NamedTuple):
    """What is odd about a value.

    :param gravity: whether it is refused or told; LOCAL depends on what else the parameter was given.
    :param what: in words, for an Issue.
    :param fix: what to do.
    :param kind: what several findings of the same kind are counted as.
    """

    gravity: Gravity
    what: str
    fix: str
    kind: str = ""


def judge_place(value: str) -> Finding | None:
    """Judge a text that may name the place of an input; None for a sound S3 URI, and for what names no place."""
    plain = trimmed(value)
    found = _judge(plain)
    if found is None and plain != value and parse_s3_uri(plain):
        return _refused(f"{_shown(value)} has spaces around it", "Remove the spaces")
    return found


def _judge(value: str) -> Finding | None:
    if _S3_LIKE.match(value):
        return _judge_s3(value)
    bare = value.strip(_WRAPPING)
    if bare != value and _S3_LIKE.match(bare):
        return _refused(f"{_shown(value)} has {value[0]!r} before the S3 URI", f"Write it as {_s3_form(bare)}")
    scheme = _SCHEME.match(value)
    if scheme is not None and scheme[1].lower() != "file":
        return _judge_scheme(scheme[1].lower(), value)
    if _ARN.match(value):
        return _judge_arn(value)
    if _LOCAL.match(value):
        return _judge_local(value)
    if _MARK_FIRST.match(value) or _MARK_ALONE.fullmatch(value):
        return _left_over(value)
    return None


def _judge_s3(value: str) -> Finding | None:
    if template_mark(value) is not None:
        return _left_over(value)
    parts = parse_s3_uri(value)
    if parts is None and _SHORT_BUCKET.match(value):
        return None
    if parts is None:
        return _refused(f"{_shown(value)} is not an S3 URI", f"Write it as {_s3_form(value)}")
    if hidden(value, controls=True):
        what = f"{_shown(value)} has a character that is not seen, {hidden(value, controls=True)}"
        return _refused(what, "Write it anew")
    if _SEVERAL.match(value):
        fix = "Where the workflow takes a list, write it as JSON; in a sheet, with parameter_types such as 'string[]'"
        return Finding(Gravity.TOLD, "", fix, "several S3 URIs in one")
    size = len(parts.key.encode(errors="replace"))
    if size > MAX_KEY_BYTES:
        return _refused(f"the key of {_shown(value)} has {size} bytes; S3 takes {MAX_KEY_BYTES}", "Give a shorter name")
    return None


def _judge_scheme(scheme: str, value: str) -> Finding | None:
    if scheme in _OF_OTHER_CLOUDS:
        return _refused(
            f"{_shown(value)} is in {_OF_OTHER_CLOUDS[scheme]}, which HealthOmics cannot read",
            f"Copy it to a bucket in the workflow's Region, and write {_EXAMPLE}",
        )
    if scheme != _OF_THE_SERVICE and scheme not in _OF_THE_INTERNET:
        return None
    if template_mark(value) is not None:
        return _left_over(value)
    if scheme == _OF_THE_SERVICE:
        return Finding(
            Gravity.TOLD, "", "They are passed as they are; the run needs read access to the store", "omics://"
        )
    if _CONSOLE_PAGE.match(value):
        return _refused(f"{_shown(value)} is a page of AWS's console", f"Copy the S3 URI there, as in {_EXAMPLE}")
    bucket = _BUCKET_URL.match(value)
    if bucket is not None:
        place = f"{bucket['host']}/{bucket['key']}" if bucket["host"] else bucket["path"]
        # A URL has a space as %20, an S3 URI as it is.
        fix = f"Write an object in S3 by its S3 URI, as in s3://{unquote(place)}"
        return Finding(Gravity.TOLD, "", fix, "URLs of S3")
    fix = "A run reaches the internet only with networking_mode VPC; inputs are read from S3"
    return Finding(Gravity.TOLD, "", fix, f"{scheme}://")


def _judge_arn(value: str) -> Finding | None:
    resource = value.split(":", 5)[5] if value.count(":") >= 5 else ""
    if "accesspoint" in resource:
        return Finding(
            Gravity.TOLD, "", "They are passed as they are; an access point's alias is an S3 URI", "ARNs of S3"
        )
    form = f"s3://{resource}" if resource else _EXAMPLE
    return _refused(f"{_shown(value)} is an ARN, not an S3 URI", f"Write it as {form}")


def _judge_local(value: str) -> Finding:
    mark = template_mark(value)
    if mark is not None and mark.startswith("{{"):
        return _left_over(value)
    what = f"{_shown(value)} is a path of a machine, which HealthOmics cannot read"
    return Finding(Gravity.LOCAL, what, f"Copy the file to S3, and write its URI, as in {_EXAMPLE}", "local paths")


def _left_over(value: str) -> Finding:
    mark = template_mark(value)
    return _refused(
        f"{_shown(value)} still has {mark!r}, the mark of a template",
        "Put in what it stands for; templates in files are not rendered",
    )


def _refused(what: str, fix: str) -> Finding:
    return Finding(Gravity.REFUSED, what, fix)


def _s3_form(value: str) -> str:
    rest = re.sub(r"^s3[an]?\s*:?\s*/*", "", value, flags=re.IGNORECASE)
    bucket, _, key = rest.partition("/")
    form = f"s3://{bucket.lower()}/{key}"
    return form if parse_s3_uri(form) and key else "s3://bucket/key; a bucket has 3 to 63 small letters, digits, . or -"


def _shown(value: str) -> str:
    return repr(value if len(value) <= 120 else f"{value[:117]}...")


def single_uris(value: str) -> list[str]:
    """Return the S3 URIs that a text holds, of which a cell may have several with a semicolon or a comma between."""
    return _BETWEEN.split(value) if _SEVERAL.match(value) else [value]


def texts_of(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield every text in a value of JSON with its path, such as ``parameters.fastq_pairs[0].fastq_1``."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from texts_of(member, f"{path}.{name}")
    elif isinstance(value, (list, tuple)):
        for at, item in enumerate(value):
            yield from texts_of(item, f"{path}[{at}]")


def name_of(path: str) -> str:
    """Return the parameter, or the member of it, that a path leads to, whatever the position in a list."""
    return re.sub(r"\[\d+\]", "", path.removeprefix("parameters."))


def input_place_issues(parameters: Any) -> Iterator[Issue]:
    """Yield what is wrong with the places that the parameters of one run, or of all runs, name."""
    texts = list(texts_of(parameters, "parameters")) if isinstance(parameters, Mapping) else []
    for path, text in texts:
        found = judge_place(text)
        if found is not None and found.gravity is Gravity.REFUSED:
            yield Issue(path, found.what, found.fix)


def input_place_notes(parameters: Any) -> Iterator[str]:
    """Yield lines for the log on places that these parameters name and that only some workflows can read."""
    kinds: dict[str, list[tuple[str, Finding]]] = {}
    for path, text in texts_of(parameters, "parameters") if isinstance(parameters, Mapping) else ():
        found = judge_place(text)
        if found is not None and found.gravity is not Gravity.REFUSED:
            kinds.setdefault(found.kind, []).append((path, found))
    for kind, findings in kinds.items():
        path, first = findings[0]
        yield place_message(kind, len(findings), path, first.fix)


def place_message(kind: str, count: int, first: str, fix: str) -> str:
    """Return a line for the log on values of one kind."""
    return f"{count:,} {'value is' if count == 1 else 'values are'} {_singular(kind, count)}; the first: {first}. {fix}"


def _singular(kind: str, count: int) -> str:
    if kind.endswith("://"):
        return f"{'a' if count == 1 else ''} {kind} {'URI' if count == 1 else 'URIs'}".strip()
    names = {
        "several S3 URIs in one": "several S3 URIs in one",
        "URLs of S3": "a URL of S3",
        "ARNs of S3": "an ARN of S3",
        "local paths": "a local path",
    }
    return names[kind] if count == 1 else kind
