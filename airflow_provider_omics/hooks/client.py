"""The boto3 client of HealthOmics over an Airflow ``aws`` connection: its settings, retries, and errors explained."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from asgiref.sync import sync_to_async
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from airflow_provider_omics.exceptions import OmicsConnectionNotFoundError
from airflow_provider_omics.healthomics.api import calls
from airflow_provider_omics.healthomics.api.newer_members import add_newer_members
from airflow_provider_omics.healthomics.api.regions import is_endpoint_of_aws
from airflow_provider_omics.healthomics.api.service_errors import (
    CREDENTIALS_REFUSED,
    ErrorCategory,
    InvalidStateError,
    OmicsServiceError,
    categorize,
    error_code,
    explain,
)
from airflow_provider_omics.healthomics.watcher.client import ClientConfig
from airflow_provider_omics.healthomics.watcher.rate_limiter import rates_of
from airflow_provider_omics.hooks.input_check import CALLS_AT_A_TIME
from airflow_provider_omics.hooks.namespace import deployment_namespace
from airflow_provider_omics.hooks.object_settings import ObjectSettings
from airflow_provider_omics.hooks.sessions import SessionHook
from airflow_provider_omics.hooks.storage import ObjectStorage

if TYPE_CHECKING:
    from mypy_boto3_omics.client import OmicsClient
    from mypy_boto3_s3.client import S3Client
    from types_aiobotocore_omics.client import OmicsClient as AsyncOmicsClient

    _HookBase = SessionHook[OmicsClient]
else:
    _HookBase = SessionHook

T = TypeVar("T")

# "standard" also retries RequestTimeoutException (408), which botocore's default mode does not.
_RETRY_MODE, _ATTEMPTS = "standard", 6
_FOR_MANY_CALLS = Config(connect_timeout=10, read_timeout=20, max_pool_connections=CALLS_AT_A_TIME)
# An address with a scheme and a host; botocore raises an error of Python's own for any other.
_ADDRESS = re.compile(r"https?://[^/\s]+.*")
_CALL_ERRORS = (ClientError, BotoCoreError, AirflowNotFoundException)
_NO_RETRIES: Any = {"mode": _RETRY_MODE, "total_max_attempts": 1}


class EndpointAddressError(BotoCoreError):
    """The connection's endpoint is no address."""

    fmt = "endpoint_url is {endpoint_url!r}, which is no address"


class OmicsClientHook(_HookBase):
    """Base of :class:`~airflow_provider_omics.hooks.omics.OmicsHook`: the clients, and requests through them.

    Its own retries (standard mode, 6 attempts) give way to the connection's ``config_kwargs``, and these to
    ``config``; each is merged over the one before, so that a setting is lost only where it is set again.

    :ivar object_settings: what requests for objects in S3 carry beyond their names.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["client_type"] = "omics"
        super().__init__(*args, **kwargs)
        self._retries_itself = True
        self.object_settings = ObjectSettings()

    def _get_config(self, config: Config | None = None) -> Config:
        merged = self._merged_config(config)
        retries: Any = _with_defaults(getattr(merged, "retries", None)) if self._retries_itself else _NO_RETRIES
        return merged.merge(Config(retries=retries))

    def _merged_config(self, config: Config | None) -> Config:
        merged: Config = self._connection_config().merge(super()._get_config(config))
        return merged

    def _connection_config(self) -> Config:
        # The base class forgets the connection's config_kwargs when the hook was given a configuration.
        kwargs = dict(self.conn_config.extra_config.get("config_kwargs") or {})
        if kwargs.get("signature_version") == "unsigned":
            del kwargs["signature_version"]
        return Config(**kwargs)

    @cached_property
    def conn_config(self) -> AwsConnectionWrapper:
        """The Airflow connection.

        :raises AirflowNotFoundException: it is missing, and is not the default one, in whose place boto3's own
            credential chain is used.
        :raises EndpointAddressError: its endpoint is none.
        """
        config: AwsConnectionWrapper = super().conn_config
        # Other credentials may lead to another account, in which a run that goes on does not exist.
        if self.aws_conn_id not in (None, "", self.default_conn_name) and not config:
            raise AirflowNotFoundException(f"The connection {self.aws_conn_id!r} isn't defined")
        endpoint_url = config.get_service_endpoint_url("omics")
        if endpoint_url is not None and not _ADDRESS.fullmatch(endpoint_url):
            raise EndpointAddressError(endpoint_url=endpoint_url)
        return config

    def get_session(self, region_name: str | None = None, deferrable: bool = False) -> Any:
        """Return the boto3 session, or the aiobotocore session, that clients are made from.

        Its clients of HealthOmics know members that the installed botocore does not know yet.
        """
        session: Any = super().get_session(region_name, deferrable)
        add_newer_members(session)
        return session

    @property
    def has_console(self) -> bool:
        """Whether calls go to AWS itself, whose console then shows what they are about."""
        return is_endpoint_of_aws(self.conn.meta.endpoint_url)

    @cached_property
    def storage(self) -> ObjectStorage:
        """Objects in S3 that are this provider's own, through the same connection, with ``object_settings``."""
        return ObjectStorage(lambda: self.object_settings.apply(self._client_of("s3")), self._service_error)

    @cached_property
    def inputs(self) -> ObjectStorage:
        """Objects in S3 that users have written, through the same connection."""
        settings = self.object_settings.of_inputs()
        return ObjectStorage(lambda: settings.apply(self._client_of("s3")), self._service_error)

    def renew(self) -> None:
        """Have the next call made with a new client, and with the connection as it is then."""
        for name in ("conn", "_client", "conn_config", "storage", "inputs"):
            self.__dict__.pop(name, None)

    @cached_property
    def namespace(self) -> str:
        """What tells the jobs of this deployment from others'; see :mod:`airflow_provider_omics.hooks.namespace`.

        :raises OmicsRequestInvalidError: the one that is set cannot be one.
        :raises OmicsServiceError: the connection does not exist, or has no address for an endpoint.
        """
        with self._explained("Connecting", "HealthOmics"):
            chosen = self.conn_config.get_service_config("omics").get("namespace")
        return deployment_namespace(chosen)

    async def open_watching_client(self) -> ClientConfig:
        """Make a client for many waiters, which does not retry by itself, without blocking the event loop.

        How often a call is tried, and how many are made a second, is the connection's: ``retries`` of its
        ``config_kwargs``, and ``calls_per_second`` under ``omics`` in its ``service_config``.

        :raises ValueError: ``calls_per_second`` is no number, nor a dict of numbers by operation.
        """
        self._retries_itself = False
        client: AsyncOmicsClient = await self.open_async_client()
        return ClientConfig(client, self._attempts(), self.call_rates)

    @property
    def call_rates(self) -> dict[str, float]:
        """How often which operation may be called, in calls a second: ``calls_per_second`` of the connection.

        :raises ValueError: it is no number, nor a dict of numbers by operation.
        """
        return rates_of(self.conn_config.get_service_config("omics").get("calls_per_second"))

    def _attempts(self) -> int:
        retries = _with_defaults(getattr(self._merged_config(None), "retries", None))
        if "max_attempts" in retries:
            return max(1, int(retries["max_attempts"]) + 1)
        return max(1, int(retries.get("total_max_attempts") or os.environ.get("AWS_MAX_ATTEMPTS") or _ATTEMPTS))

    def send_requests(
        self, requests: calls.Requests[T], subject: str, *, retrying: Callable[[Callable[[], Any]], Any] | None = None
    ) -> T:
        """Make sans-I/O requests with the client, and return what they came to.

        :param requests: the generator of requests; an error that it does not handle itself ends it.
        :param subject: what they are about, such as ``batch 1234567``.
        :param retrying: makes a call, and makes it again while that may help; None leaves that to the client.
        :raises OmicsServiceError: a call failed.
        """
        try:
            if retrying is None:
                return calls.run_sync(self.conn, requests)
            return calls.run_with(lambda call: retrying(lambda: calls.send(self.conn, call)), requests)
        except InvalidStateError as wrong:
            found = self._service_error(wrong.error, wrong.error.operation_name, subject).explanation
            explained = replace(found, remedy=wrong.remedy, failure_class=wrong.failure_class)
            raise OmicsServiceError(explained) from wrong.error
        except _CALL_ERRORS as error:
            # Without an operation there was no call yet: the connection makes no client.
            raise self._service_error(error, calls.failed_operation(error) or "Connecting", subject) from error

    def poll(self, requests: calls.Requests[T]) -> T:
        """Make the requests of one poll; errors are botocore's, for a waiter to judge.

        After an error that another client may not have, such as refused credentials, the next poll gets a new one,
        made with the connection as it is then.
        """
        try:
            return calls.run_sync(self.conn, requests)
        except Exception as error:
            if categorize(error) is ErrorCategory.PERMANENT or error_code(error) in CREDENTIALS_REFUSED:
                self.renew()
            raise

    async def open_client_of(self, service: str) -> Any:
        """Make an aiobotocore client of another service and enter it, without blocking the event loop.

        :param service: such as ``sqs``.
        """
        # The hook asks for the connection while it is made.
        hook = await sync_to_async(self.hook_of)(service)
        return await hook.open_async_client()

    def input_check_client(self) -> S3Client:
        """Make a client that looks for inputs in S3 in threads side by side, with no call that takes long."""
        client: S3Client = self.hook_of("s3", _FOR_MANY_CALLS).conn
        return self.object_settings.of_inputs().apply(client)

    def hook_of(
        self, service: str, defaults: Config | None = None, *, region_name: str | None = None
    ) -> SessionHook[Any]:
        """Return a hook of another service that uses the same connection.

        :param service: such as ``s3``.
        :param defaults: settings that give way to those of the connection and the hook.
        :param region_name: AWS Region; None for the hook's.
        """
        hook: SessionHook[Any] = SessionHook(
            aws_conn_id=self.aws_conn_id,
            region_name=region_name or self.region_name,
            verify=self.verify,
            client_type=service,
            config=(defaults or Config()).merge(self._get_config()),
        )
        # Not read again: Airflow tells in the log each time where the credentials come from.
        hook.conn_config = AwsConnectionWrapper(
            conn=self.conn_config,
            region_name=region_name or self._region_name,
            botocore_config=hook._config,
            verify=self._verify,
        )
        return hook

    def _client_of(self, service: str) -> Any:
        return self.hook_of(service).conn

    @contextmanager
    def _explained(self, operation: str, subject: str) -> Iterator[None]:
        try:
            yield
        except _CALL_ERRORS as error:
            raise self._service_error(error, operation, subject) from error

    def _service_error(self, error: Exception, operation: str, subject: str) -> OmicsServiceError:
        place = f" in {self.region_name}" if self.region_name else ""
        where = f"{subject}{place} with connection {self.aws_conn_id!r}"
        kind = OmicsConnectionNotFoundError if isinstance(error, AirflowNotFoundException) else OmicsServiceError
        return kind(explain(error, operation, where))


def _with_defaults(retries: Mapping[str, Any] | None) -> dict[str, Any]:
    given = dict(retries or {})
    if "AWS_RETRY_MODE" not in os.environ:
        given.setdefault("mode", _RETRY_MODE)
    if not given.keys() & {"max_attempts", "total_max_attempts"} and "AWS_MAX_ATTEMPTS" not in os.environ:
        given["total_max_attempts"] = _ATTEMPTS
    return given
