"""Whether a host that could not be reached is one of AWS, and whether its Region is one that the service is in.

Compares with the endpoints that the installed botocore knows, and asks nobody.
"""

from __future__ import annotations

from functools import cache
from urllib.parse import urlsplit

import botocore.session
from botocore.exceptions import EndpointConnectionError
from botocore.session import Session

from airflow_provider_omics.healthomics.api.spelling import meant

_SUFFIXES = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_HEALTHOMICS = "omics"


def is_endpoint_of_aws(url: str) -> bool:
    """Whether an endpoint is one of AWS, and not somebody's own."""
    return (urlsplit(url).hostname or "").endswith(_SUFFIXES)


def is_host_of_aws(error: BaseException) -> bool:
    """Whether a connection error is about a host of AWS."""
    return _host(error).endswith(_SUFFIXES)


def region_advice(error: BaseException) -> str | None:
    """Return what to do about the Region in the name of a host that could not be reached; None if it is in order.

    A Region that this botocore does not know yet has hosts, so that its name is no cause of such an error.
    """
    region = _region_in(_host(error))
    if not isinstance(error, EndpointConnectionError) or region is None:
        return None
    if region not in _regions_of_aws():
        likely = meant(region, _regions_of(_HEALTHOMICS)) or meant(region, _regions_of_aws())
        question = f"Did you mean {likely!r}? " if likely else ""
        return f"{region!r} is no Region of AWS. {question}Correct region_name of the task or of the connection"
    if f".{_HEALTHOMICS}." in f".{_host(error).removeprefix('workflows-')}" and region not in _regions_of(_HEALTHOMICS):
        there = ", ".join(sorted(_regions_of(_HEALTHOMICS)))
        return f"HealthOmics is not in {region}, as far as botocore {botocore.__version__} knows. Use one of {there}"
    return None


def _host(error: BaseException) -> str:
    kwargs = getattr(error, "kwargs", None)
    return urlsplit(str((kwargs or {}).get("endpoint_url", ""))).hostname or ""


def _region_in(host: str) -> str | None:
    for suffix in _SUFFIXES:
        if host.endswith(suffix):
            label = host.removesuffix(suffix).rpartition(".")[2]
            # Some services have a host without a Region.
            return None if label in _session().get_available_services() else label
    return None


@cache
def _session() -> Session:
    return botocore.session.get_session()


@cache
def _regions_of(service: str) -> frozenset[str]:
    partitions = _session().get_available_partitions()
    return frozenset(region for name in partitions for region in _session().get_available_regions(service, name))


def _regions_of_aws() -> frozenset[str]:
    return _regions_of("ec2")
