"""The local HealthOmics server, to be started from Python."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlencode

from airflow_provider_omics.healthomics.api.former_names import with_former_names
from airflow_provider_omics.healthomics.api.newer_members import add_newer_members
from airflow_provider_omics.local.access import AccessControl, Policy
from airflow_provider_omics.local.account_state import AccountState, user_arn
from airflow_provider_omics.local.assumptions import Assumptions
from airflow_provider_omics.local.aws import Aws
from airflow_provider_omics.local.batches.machine import attach_batches
from airflow_provider_omics.local.clock import Clock, ManualClock, ScaledClock
from airflow_provider_omics.local.events import attach_events
from airflow_provider_omics.local.executors.engine_pool import EnginePool
from airflow_provider_omics.local.executors.engine_reading import engine_readers
from airflow_provider_omics.local.executors.engines import NEXTFLOW
from airflow_provider_omics.local.executors.outcomes import SimulatedOutcomes
from airflow_provider_omics.local.executors.simulated import SimulatedExecutor
from airflow_provider_omics.local.faults import FaultPlan
from airflow_provider_omics.local.http.access import HttpAccess
from airflow_provider_omics.local.http.admin import Admin
from airflow_provider_omics.local.http.application import Application
from airflow_provider_omics.local.http.guard import RequestGuard
from airflow_provider_omics.local.http.injection import MotoFaults
from airflow_provider_omics.local.http.moto import ACCOUNT, MotoFront, reset_moto
from airflow_provider_omics.local.http.price_list import PriceList
from airflow_provider_omics.local.http.server import HttpServer
from airflow_provider_omics.local.http.service import OmicsService
from airflow_provider_omics.local.journal import Journal
from airflow_provider_omics.local.quotas import Quotas
from airflow_provider_omics.local.regions import Regions
from airflow_provider_omics.local.runs.machine import start_waiting_runs
from airflow_provider_omics.local.timings import Timings

if TYPE_CHECKING:
    from airflow_provider_omics.local.executors.base import Executor

log = logging.getLogger(__name__)

ExecutorKind = Literal["auto", "simulated", "cwl"]
DEFAULT_REGION = "us-east-1"
ACCESS_KEY = "local"


@with_former_names({"world": "account", "worlds": "accounts"})
class LocalOmics:
    """A HealthOmics server beside moto's S3, STS, CloudWatch Logs, EventBridge and SQS, on one port.

    moto's state belongs to the process, so two servers of one process share their buckets and logs.

    :param host: address to bind to; one other than loopback needs ``allow_remote``.
    :param port: 0 for a free one.
    :param executor: ``simulated`` lets runs only pass time, ``cwl`` carries out CWL definitions with cwltool,
        ``auto`` carries out CWL definitions, and WDL ones where miniwdl is installed, and simulates the rest.
    :param time_scale: seconds of the server per real second, more than 0.
    :param seed: seeds durations, outcomes, faults, and the fate of events.
    :param clock: in place of ``time_scale``; a :class:`ManualClock` stands still until :meth:`advance`.
    :param assumptions: the reading of what AWS does not document.
    :param timings: how long the service takes for what it does.
    :param quotas: resource quotas.
    :param outcomes: how simulated runs end.
    :param enforce_rates: throttle calls at the published rates.
    :param journal_limit: most calls that the journal keeps; None keeps all.
    :param allow_remote: accept a host other than loopback. The server checks no credentials, and runs the tools of
        whoever reaches it; ``docs/local-server.md`` says what that means.
    :param allowed_hosts: further names in the ``Host`` header that are answered, such as that of a container; names
        of loopback and ``host`` always are, and any address when ``host`` is ``0.0.0.0`` or ``::``.
    :param price_file: JSON file with the prices that ``pricing`` tells, of the form of ``data/example-prices.json``
        beside this module; None for that example, whose figures are invented.
    :param policy: what callers may do: an IAM policy document, or a list of IAM actions, with ``*`` and ``?`` in their
        names; None for everything. Resources are not compared.
    :param nextflow: really run Nextflow workflows too, with the ``nextflow`` on the PATH; only with ``auto``.
    :raises ValueError: the host is not loopback and ``allow_remote`` is False, the price file or the policy cannot be
        used, or there is no ``nextflow``.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        executor: ExecutorKind = "auto",
        time_scale: float = 1.0,
        seed: int = 0,
        clock: Clock | None = None,
        assumptions: Assumptions | None = None,
        timings: Timings | None = None,
        quotas: Quotas | None = None,
        outcomes: SimulatedOutcomes | None = None,
        enforce_rates: bool = False,
        journal_limit: int | None = None,
        allow_remote: bool = False,
        allowed_hosts: Sequence[str] = (),
        price_file: Path | None = None,
        policy: Policy | None = None,
        nextflow: bool = False,
    ) -> None:
        _check_host(host, allow_remote)
        _check_nextflow(nextflow, executor)
        self._prices = PriceList(price_file)
        self._guard = RequestGuard(host, _names_of(host, allowed_hosts))
        self.host = host
        self.clock = clock or ScaledClock(time_scale)
        self.assumptions = assumptions or Assumptions()
        self.timings = timings or Timings()
        self.quotas = quotas or Quotas()
        self.journal = Journal(journal_limit)
        self.faults = FaultPlan(seed)
        self.access = AccessControl(policy)
        self._port = port
        self._make_executor = _executor_factory(executor, outcomes, seed, nextflow)
        self._rates_enforced = enforce_rates
        self._rates: Mapping[str, float] = MappingProxyType({})
        self._regions = Regions(self._make_state)
        self._stopping = threading.Event()
        self._making_client = threading.Lock()
        self._sessions: dict[str, Any] = {}
        self._http: HttpServer | None = None

    def start(self) -> Self:
        """Bind the port and begin to answer.

        :raises OSError: the port is taken.
        :raises RuntimeError: it has been started already.
        """
        if self._http is not None:
            raise RuntimeError("the server has been started already")
        self._stopping.clear()
        moto_faults = MotoFaults(self.faults, self.clock.now, self._stopping)
        service, moto = OmicsService(self._stopping, self.access), MotoFront()
        access = HttpAccess(self.access, user_arn(ACCOUNT), moto.has_bucket)
        app = Application(self._regions, service, Admin(self), self._prices, moto, moto_faults, access)
        self._http = HttpServer(self.host, self._port, app, self._guard)
        self._http.start()
        return self

    def stop(self) -> None:
        """Stop answering, end every run that is carried out, and empty moto's services; harmless when stopped."""
        if self._http is None:
            return
        self._stopping.set()
        self._http.stop()
        self._http = None
        self.reset()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """Where clients find the server; works for S3, STS, logs, events and queues too.

        :raises RuntimeError: the server is not started.
        """
        if self._http is None:
            raise RuntimeError("the server is not started; call start() or use it as a context manager")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self._http.port}"

    def environment(self, region: str = DEFAULT_REGION) -> dict[str, str]:
        """Return the environment variables that point every AWS client at the server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
            "AWS_DEFAULT_REGION": region,
        }

    def connection_extra(self, region: str = DEFAULT_REGION) -> dict[str, Any]:
        """Return the extra of an Airflow ``aws`` connection to the server."""
        return {
            "endpoint_url": self.endpoint_url,
            "region_name": region,
            "config_kwargs": {"inject_host_prefix": False},
        }

    def airflow_connection_uri(self, region: str = DEFAULT_REGION) -> str:
        """Return an Airflow ``aws`` connection to the server, for an ``AIRFLOW_CONN_...`` variable."""
        extra = urlencode({"__extra__": json.dumps(self.connection_extra(region))})
        return f"aws://{ACCESS_KEY}:{ACCESS_KEY}@/?{extra}"

    def client(self, service: str, region: str = DEFAULT_REGION, **kwargs: Any) -> Any:
        """Return a boto3 client of the server; one of HealthOmics knows the newest members of the API.

        :param service: such as ``omics`` or ``s3``.
        :param kwargs: passed on to boto3; a ``config`` is merged over the one that is needed.
        """
        import boto3
        from botocore.config import Config

        config = Config(inject_host_prefix=False)
        if "config" in kwargs:
            config = config.merge(kwargs.pop("config"))
        # Sessions are slow to make, and not safe to make clients with from two threads at once.
        with self._making_client:
            session: Any = self._sessions.get(region)
            if session is None:
                session = self._sessions[region] = boto3.Session(ACCESS_KEY, ACCESS_KEY, region_name=region)
                add_newer_members(session)
            return session.client(service, endpoint_url=self.endpoint_url, config=config, **kwargs)

    def prepare(self, region: str = DEFAULT_REGION) -> None:
        """Load in the background what the first run of a region needs, so that it starts sooner."""
        self._regions.account(region).executor.prepare()

    def account(self, region: str = DEFAULT_REGION) -> AccountState:
        """Return what the server knows of a region; hold its ``lock`` while reading or changing it."""
        return self._regions.account(region)

    def accounts(self) -> list[AccountState]:
        """Return what the server knows, for every region that was asked for."""
        return self._regions.all()

    def advance(self, seconds: float) -> None:
        """Move a manual clock, and do everything that becomes due.

        On return its events are delivered, and the definitions of workflows are read.

        :raises ValueError: the clock moves by itself.
        """
        if not isinstance(self.clock, ManualClock):
            raise ValueError("the clock runs by itself; start the server with clock=ManualClock()")
        self.clock.advance(seconds)
        for state in self.accounts():
            with state.lock:
                state.timeline.run_due()
        for state in self.accounts():
            state.background.drain()
            state.events.drain()

    @contextmanager
    def allowing(self, policy: Policy) -> Iterator[AccessControl]:
        """Allow only some IAM actions for a while; what was allowed before is allowed again afterwards.

        :param policy: as for the server.
        :return: what was asked for meanwhile, and what of it was denied.
        :raises ValueError: the policy cannot be used.
        """
        before = self.access.policy
        self.access.change(policy)
        self.access.forget()
        try:
            yield self.access
        finally:
            self.access.change(before)

    def enforce_rates(self, enforced: bool = True, per_second: Mapping[str, float] | None = None) -> None:
        """Throttle calls, or stop doing so.

        :param per_second: rates by operation in place of the published ones.
        """
        self._rates_enforced, self._rates = enforced, dict(per_second or {})
        for state in self.accounts():
            self._set_rates(state)

    def change(
        self,
        *,
        assumptions: Mapping[str, Any] | None = None,
        timings: Mapping[str, Any] | None = None,
        quotas: Mapping[str, Any] | None = None,
    ) -> None:
        """Change single assumptions, timings and quotas of the running server.

        :raises TypeError: a name is none of them.
        :raises ValueError: a value does not fit its field.
        """
        self.assumptions = replace(self.assumptions, **dict(assumptions or {}))
        self.timings = replace(self.timings, **dict(timings or {}))
        self.quotas = replace(self.quotas, **dict(quotas or {}))
        for state in self.accounts():
            with state.lock:
                state.assumptions, state.timings, state.quotas = self.assumptions, self.timings, self.quotas
                start_waiting_runs(state)

    def reset(self) -> None:
        """Forget everything: runs, batches, workflows, journal, faults, and what moto's services hold.

        What callers may do stays.
        """
        self._regions.close()
        self.access.forget()
        self.journal.clear()
        self.faults.clear()
        reset_moto()

    def _make_state(self, region: str) -> AccountState:
        pool = EnginePool()
        state = AccountState(
            region=region,
            account=ACCOUNT,
            clock=self.clock,
            assumptions=self.assumptions,
            make_executor=self._make_executor,
            aws=Aws(region, ACCOUNT),
            timings=self.timings,
            quotas=self.quotas,
            journal=self.journal,
            faults=self.faults,
            endpoint_url=self.endpoint_url if self._http else "",
            loaders=engine_readers(pool),
            engine_pool=pool,
        )
        attach_batches(state)
        attach_events(state)
        self._set_rates(state)
        return state

    def _set_rates(self, state: AccountState) -> None:
        with state.lock:
            state.rates.change(self._rates_enforced, self._rates)


def _executor_factory(
    kind: ExecutorKind, outcomes: SimulatedOutcomes | None, seed: int, nextflow: bool
) -> Callable[[AccountState], Executor]:
    def make(state: AccountState) -> Executor:
        simulated = SimulatedExecutor(state, outcomes, seed)
        if kind == "simulated":
            return simulated
        from airflow_provider_omics.local.executors.dispatch import AutoExecutor
        from airflow_provider_omics.local.executors.engine import EngineExecutor
        from airflow_provider_omics.local.executors.engines import installed_engines

        if kind == "cwl":
            return EngineExecutor(state, ("CWL",))
        engines = installed_engines(nextflow=nextflow)
        return AutoExecutor(EngineExecutor(state, engines), simulated, engines)

    return make


def _names_of(host: str, allowed_hosts: Sequence[str]) -> list[str]:
    wildcard = host in ("0.0.0.0", "::")
    return [*allowed_hosts, *([socket.gethostname()] if wildcard else [])]


def _check_nextflow(wanted: bool, executor: ExecutorKind) -> None:
    if wanted and executor != "auto":
        raise ValueError(f"nextflow goes with the executor auto, not {executor}")
    if wanted and not NEXTFLOW.is_installed():
        raise ValueError("there is no nextflow on the PATH; install it, or leave nextflow (--nextflow) away")


def _check_host(host: str, allow_remote: bool) -> None:
    try:
        loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if loopback:
        return
    if not allow_remote:
        raise ValueError(
            f"host {host} is not loopback, and the server checks no credentials; if everyone who can reach it "
            "may use it, give allow_remote=True (--allow-remote)"
        )
    log.warning("The local HealthOmics server listens on %s and checks no credentials", host)
