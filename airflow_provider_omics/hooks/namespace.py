"""What tells the jobs of this Airflow deployment from those of others that work in the same AWS account.

It is, in this order: ``namespace`` under ``omics`` in the connection's ``service_config``; ``namespace`` in the section
``omics`` of Airflow's configuration; and else a digest of what is the same for every worker of a deployment, and
stays the same when it is restarted: the address of its web server or API server, unless that is of this machine only;
its Fernet key; or, where it has none and is of this machine, its ``AIRFLOW_HOME``. A digest cannot be turned back.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import conf

from airflow_provider_omics.compat import BASE_URL_SECTION
from airflow_provider_omics.healthomics.requests.issues import Issue, OmicsRequestInvalidError

MAX_NAMESPACE = 64
"""Most characters of a namespace."""

_SECTION, _OPTION = "omics", "namespace"
# Never change it: what is made from it is part of the identity of jobs that are under way.
_DIGESTS = uuid.UUID("d6b3a1de-3c0c-5f39-8f4b-4a1f8f1d2c55")
_THIS_MACHINE = frozenset({"", "localhost", "127.0.0.1", "0.0.0.0", "::1", "::"})
_FERNET_VARIABLES = tuple(f"AIRFLOW__CORE__FERNET_KEY{suffix}" for suffix in ("", "_CMD", "_SECRET"))


def deployment_namespace(of_connection: Any = None) -> str:
    """Return the namespace of this deployment.

    :param of_connection: what the connection says; None for nothing.
    :raises OmicsRequestInvalidError: the one that is set is no text, or has more than 64 characters.
    """
    if of_connection is not None:
        return _checked(of_connection, "namespace in the connection's service_config, under omics")
    configured = conf.get(_SECTION, _OPTION, fallback=None)
    if configured:
        return _checked(configured, f"[{_SECTION}] {_OPTION}")
    return _default()


def _checked(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value.strip()) > MAX_NAMESPACE:
        remedy = f'Give text of 1 to {MAX_NAMESPACE} characters such as "prod"'
        raise OmicsRequestInvalidError("StartRun", [Issue(where, f"is {value!r}", remedy)])
    return value.strip()


def _default() -> str:
    base_url = _get(BASE_URL_SECTION, "base_url")
    if not _is_of_this_machine(base_url):
        return _digest("base_url", base_url.rstrip("/"))
    workers_api = _get("core", "execution_api_server_url")
    # The last key stays while keys are changed, where the new one comes first.
    key = _get("core", "fernet_key").rpartition(",")[2].strip()
    # A worker that is far from the API server can do without the deployment's key, and makes one of its own.
    if key and (_is_of_this_machine(workers_api) or any(name in os.environ for name in _FERNET_VARIABLES)):
        return _digest("fernet_key", key)
    if not _is_of_this_machine(workers_api):
        return _digest("execution_api_server_url", workers_api.rstrip("/"))
    return _digest("airflow_home", str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser().absolute()))


def _get(section: str, option: str) -> str:
    value = str(conf.get(section, option, fallback=None) or "")
    # Some versions give the default as it stands in their template.
    return "" if "{" in value else value


def _is_of_this_machine(url: str) -> bool:
    return (urlsplit(url).hostname or "") in _THIS_MACHINE


def _digest(what: str, value: str) -> str:
    return uuid.uuid5(_DIGESTS, f"{what} {value}").hex[:12]
