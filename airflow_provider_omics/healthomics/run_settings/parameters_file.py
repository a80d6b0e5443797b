"""The parameters of a run, or of all runs of a batch, that were given as a file of JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.run_settings.files import OpenUri, find_file, opened
from airflow_provider_omics.healthomics.run_settings.issue_list import UnreadableError
from airflow_provider_omics.healthomics.run_settings.json_array import StrictDecoder, said
from airflow_provider_omics.healthomics.run_settings.text import find_defect, open_text

MAX_FILE_CHARACTERS = 1_000_000
"""The largest file that is read; without spaces and line breaks, parameters may take a quarter of that."""

_PARAMETER = "parameters"
_KINDS = "Give a dict, a JSON object, or a path or s3:// URI of a JSON file that holds one"


def file_of(parameters: Any) -> str | None:
    """Return the path or URI that parameters were given as; None for an object, or its JSON."""
    if isinstance(parameters, os.PathLike):
        return os.fsdecode(parameters)
    text = parameters.strip() if isinstance(parameters, str) else ""
    if not text or text[0] in "{[":
        return None
    with suppress(ValueError):
        json.loads(text)
        return None
    return text


def without_file(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments without parameters that are a file, of which nothing is known when a DAG is parsed."""
    return {name: value for name, value in arguments.items() if name != _PARAMETER or file_of(value) is None}


def read_parameters(operation: str, name: str, open_uri: OpenUri) -> dict[str, Any]:
    """Read parameters from a file that holds one JSON object.

    :param operation: API operation that they are for.
    :param name: a path, a ``file://`` URI, or an ``s3://`` URI.
    :param open_uri: opens an ``s3://`` URI.
    :raises OmicsRequestInvalidError: it is no such file; what is wrong has its line and column.
    """
    try:
        with opened(name, find_file(name, _PARAMETER, "no JSON object", _KINDS, open_uri)) as stream:
            text = open_text(stream, name).read(MAX_FILE_CHARACTERS + 1)
        return _decoded(text, name)
    except UnreadableError as error:
        raise OmicsRequestInvalidError(operation, [error.issue]) from error


def _decoded(text: str, name: str) -> dict[str, Any]:
    if len(text) > MAX_FILE_CHARACTERS:
        what = f"is longer than {MAX_FILE_CHARACTERS:,} characters"
        raise UnreadableError(name, what, "Put long lists into files in S3 and pass their URIs")
    found = find_defect(text)
    if found is not None:
        raise UnreadableError(_place(name, text, found[0]), *found[1:])
    begin = len(text) - len(text.lstrip())
    try:
        entry, end = StrictDecoder().decode(text, begin)
    except json.JSONDecodeError as error:
        what = f"is not JSON: {said(error)}"
        raise UnreadableError(_place(name, text, error.pos), what, "Correct the JSON there") from None
    except ValueError as error:
        raise UnreadableError(name, f"is not JSON: {error}", "Correct the value") from None
    if text[end:].strip():
        after = end + len(text[end:]) - len(text[end:].lstrip())
        raise UnreadableError(_place(name, text, after), "has more after the JSON object", "Give one object alone")
    if entry.faults:
        raise UnreadableError(name, entry.faults[0].what, entry.faults[0].fix)
    if not isinstance(entry.value, Mapping):
        what = f"holds {type(entry.value).__name__}, not an object"
        raise UnreadableError(name, what, 'Give one JSON object, such as {"reads": "s3://my-bucket/reads.bam"}')
    return dict(entry.value)


def _place(name: str, text: str, at: int) -> str:
    return f"{name} line {text.count(chr(10), 0, at) + 1}, column {at - text.rfind(chr(10), 0, at)}"
