"""Requests to Airflow's REST API, which says whether it refused or could not answer."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

# The processes are on this machine, whatever proxy is set.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_ANSWER_TIMEOUT = 60.0


class AirflowRefusedError(Exception):
    """Airflow refused what was asked of it.

    :ivar status: of the HTTP answer, where there was one.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class AirflowUnavailableError(AirflowRefusedError):
    """Airflow did not answer, or said that it could not (5xx): it may have done what was asked, or not."""


def answers(url: str) -> bool:
    """Say whether a page is there."""
    try:
        with _OPENER.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):
        return False


def ask(
    url: str, authorization: str | None, body: Mapping[str, Any] | None = None, method: str | None = None
) -> dict[str, Any]:
    """Post a body, or get without one, unless another method is given, and return the answer.

    :raises AirflowRefusedError: Airflow refused.
    """
    headers = {"Content-Type": "application/json", **({"Authorization": authorization} if authorization else {})}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with _OPENER.open(request, timeout=_ANSWER_TIMEOUT) as answer:
            parsed: dict[str, Any] = json.load(answer)
            return parsed
    except urllib.error.HTTPError as error:
        said = f"{url} answered {error.code}: {error.read().decode(errors='replace')}"
        kind = AirflowUnavailableError if error.code >= 500 or error.code == 429 else AirflowRefusedError
        raise kind(said, error.code) from error
    except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
        raise AirflowUnavailableError(f"{url} did not answer: {error}") from error
