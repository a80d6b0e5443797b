"""Places in S3 as the page shows them: the URI, and the page of the AWS console where there is one."""

from __future__ import annotations

from typing import Any

from airflow_provider_omics.healthomics.api.console import folder_url, object_url
from airflow_provider_omics.healthomics.requests.s3_uris import parse_s3_uri

ConsolePlace = tuple[str, str] | None
"""Region and partition of the AWS console; None where there is none."""


def object_place(uri: str, place: ConsolePlace) -> dict[str, Any]:
    """Return URI and link of an object."""
    found = parse_s3_uri(uri)
    link = None if place is None or found is None else object_url(*place, found.bucket, found.key)
    return {"uri": uri, "link": link}


def folder_place(uri: object, place: ConsolePlace) -> dict[str, Any] | None:
    """Return URI and link of a folder; None for what is no place in S3."""
    found = parse_s3_uri(uri)
    if found is None:
        return None
    return {"uri": str(uri), "link": None if place is None else folder_url(*place, found.bucket, found.key)}
