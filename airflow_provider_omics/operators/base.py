"""What every HealthOmics operator has: its connection parameters and its hook."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_omics.exceptions import OmicsRequestInvalidError, non_retryable, without_traceback
from airflow_provider_omics.healthomics.api.calls import Requests, T
from airflow_provider_omics.healthomics.api.retrying import Retrying
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.literal_requests import id_issues
from airflow_provider_omics.hooks.arguments import value_issues
from airflow_provider_omics.hooks.parameters import ConnectionParameters
from airflow_provider_omics.operators.templates import BULKY, TemplatesMixin, is_literal

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook


# What Airflow calls of a task.
_ENTRIES = ("execute", "execute_complete", "resume_execution")


class OmicsBaseOperator(TemplatesMixin, BaseOperator):
    """Base of the HealthOmics operators and sensors.

    :cvar id_argument: an API operation, its member that is an id, and the argument that this is; None for none.

    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    ui_color = "#d8f0e6"
    id_argument: ClassVar[tuple[str, str, str] | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let what a subclass raises end with its message, however Airflow enters it."""
        super().__init_subclass__(**kwargs)
        for name in _ENTRIES:
            if name in vars(cls):
                setattr(cls, name, without_traceback(vars(cls)[name]))

    def __init__(
        self,
        *,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Return Airflow's half of a mapped operator, with what the DAG's file says of its arguments checked.

        :raises OmicsRequestInvalidError: an argument cannot be right.
        """
        given = {name: value for name, value in kwargs.items() if name in cls.template_fields}
        plain = {name: value for name, value in given.items() if name not in BULKY and is_literal(value)}
        cls._refuse(kwargs.get("task_id"), cls.literal_issues(plain, None))
        return super().partial(**kwargs)

    def check_literals(self) -> None:
        """Refuse arguments that can be seen to be wrong when the DAG is parsed; the last line of an ``__init__``.

        A mapped task instance, which is made when it runs, leaves that to ``execute``.

        :raises OmicsRequestInvalidError: an argument cannot be right.
        """
        if getattr(self, "_BaseOperator__from_mapped", False):
            return
        given = {name: getattr(self, name) for name in self.template_fields}
        # Of many samples it is enough to see that there are some.
        plain = {name: value for name, value in given.items() if self.is_literal(value, is_bulky=name in BULKY)}
        issues = [*self.literal_issues(plain, given.keys() - plain.keys()), *self.instance_issues(plain)]
        self._refuse(self.task_id, issues)

    @classmethod
    def literal_issues(cls, plain: Mapping[str, Any], templated: Collection[str] | None) -> Iterator[Issue]:
        """Yield what is wrong with arguments that are no templates.

        :param plain: these arguments, by name.
        :param templated: names of those that are templates or a task's output; None where not all are known, as in
            ``partial``.
        """
        if cls.id_argument is not None:
            yield from id_issues(*cls.id_argument, plain)
        yield from cls.request_issues(plain, templated)
        for name, value in plain.items():
            yield from value_issues(name, value)

    @classmethod
    def request_issues(cls, plain: Mapping[str, Any], templated: Collection[str] | None) -> Iterable[Issue]:
        """Return what is wrong with a request whatever its templates come to; takes what ``literal_issues`` does."""
        del plain, templated
        return ()

    def instance_issues(self, plain: Mapping[str, Any]) -> Iterable[Issue]:
        """Return what is wrong with arguments that only a whole task knows all of, when the DAG is parsed.

        :param plain: those of the template fields that are no templates, by name.
        """
        del plain
        return ()

    @classmethod
    def _refuse(cls, task_id: object, issues: Iterable[Issue]) -> None:
        found = list(issues)
        if found:
            raise non_retryable(OmicsRequestInvalidError(f"{cls.__name__} {task_id!r}", found))

    @cached_property
    def hook(self) -> OmicsHook:
        """The hook, made when it is first needed."""
        return ConnectionParameters.of(self).hook()

    def ask(self, requests: Requests[T]) -> T:
        """Make the requests of one poll; errors are botocore's."""
        return self.hook.poll(requests)


class KillableOperator(OmicsBaseOperator):
    """Base of the operators that pause between their calls."""

    @cached_property
    def _killed(self) -> threading.Event:
        # Made when first asked for: a lock would keep the DAG from being copied.
        return threading.Event()

    def retrying_for(
        self, error_budget: float, delay: float, subject: str, *, only_transient: bool = False
    ) -> Retrying:
        """Return what makes calls again until a kill; the parameters are those of :class:`Retrying`."""
        return Retrying(error_budget, delay, self._killed.wait, self.log, subject, self.hook.renew, only_transient)

    def on_kill(self) -> None:
        """Stop waiting; what was requested goes on."""
        self._killed.set()
