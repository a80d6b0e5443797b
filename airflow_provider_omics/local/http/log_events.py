"""FilterLogEvents by a prefix of stream names, which moto 5.2 takes no notice of: it would return every stream's."""

from __future__ import annotations

import io
import json
from typing import Any

from airflow_provider_omics.local.artefacts.reads import announce_streams
from airflow_provider_omics.local.http.error_forms import Protocol, error_in
from airflow_provider_omics.local.http.wire import HttpAnswer

# No stream can have this name, and an empty list would stand for all.
_NONE = [":"]


def name_streams(environ: dict[str, Any], account: str, region: str) -> HttpAnswer | None:
    """Put the names of the streams in the place of a prefix, if the request is a FilterLogEvents with one.

    :param environ: the WSGI environment, whose body is changed.
    :param account: account id of the log group.
    :param region: its region.
    :return: the answer to a request that has both names and a prefix; None for every other.
    """
    if not environ.get("HTTP_X_AMZ_TARGET", "").endswith(".FilterLogEvents"):
        return None
    body = environ["wsgi.input"].read()
    environ["wsgi.input"].seek(0)
    try:
        members = json.loads(body)
        prefix = members.pop("logStreamNamePrefix", None)
    except (ValueError, AttributeError):
        return None
    if not prefix:
        return None
    if members.get("logStreamNames"):
        text = "logStreamNames and logStreamNamePrefix cannot be given together; leave one out"
        return error_in(Protocol.JSON, "InvalidParameterException", text, 400)
    members["logStreamNames"] = _names(members.get("logGroupName", ""), prefix, account, region) or _NONE
    body = json.dumps(members).encode()
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
    return None


def _names(group: str, prefix: str, account: str, region: str) -> list[str]:
    from moto.backends import get_backend

    announce_streams(account, region, prefix)
    groups = get_backend("logs")[account][region].groups
    return [name for name in list(groups[group].streams) if name.startswith(prefix)] if group in groups else []
