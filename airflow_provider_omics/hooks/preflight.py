"""The preflight through an Airflow connection: its clients, and what it reads and writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from airflow_provider_omics.healthomics.api.calls import Requests
from airflow_provider_omics.healthomics.run_settings.definition_types import download
from airflow_provider_omics.preflight.check import HEALTHOMICS
from airflow_provider_omics.preflight.checks import examine
from airflow_provider_omics.preflight.findings import Finding
from airflow_provider_omics.preflight.plan import Plan

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook

# A network without a way to a service that is only asked for advice must not hold up a start for minutes.
_FOR_ADVICE = Config(connect_timeout=3, read_timeout=20)


def run_preflight(hook: OmicsHook, members: Mapping[str, Any], runs: int, kinds: Collection[str]) -> list[Finding]:
    """Make the checks of some kinds, and return everything that they found.

    :param members: members of StartRun, by their API names.
    :param runs: how many runs are going to be started.
    :raises OmicsServiceError: the connection or its credentials are of no use.
    """
    return hook.send_requests(_requests(hook, members, runs, kinds), "the preflight")


def _requests(
    hook: OmicsHook, members: Mapping[str, Any], runs: int, kinds: Collection[str]
) -> Requests[list[Finding]]:
    yield from ()
    return examine(
        Plan(str(hook.conn.meta.region_name), members, runs),
        kinds,
        client_of=_clients(hook),
        prove_writable=hook.inputs.prove_writable,
        download=download,
    )


def _clients(hook: OmicsHook) -> Callable[[str], Any]:
    @cache
    def client_of(service: str) -> Any:
        return hook.conn if service == HEALTHOMICS else hook.hook_of(service, _FOR_ADVICE).conn

    return client_of
