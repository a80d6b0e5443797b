"""Injecting faults into calls of HealthOmics, S3, SQS, ECR and Service Quotas."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from airflow_provider_omics.local.errors import ServiceError, ThrottlingException, error_of_code
from airflow_provider_omics.local.faults import (
    ADVICE_OPERATIONS,
    S3_OPERATIONS,
    SQS_OPERATIONS,
    CallFacts,
    FaultKind,
    FaultPlan,
    FaultRule,
)
from airflow_provider_omics.local.http.error_forms import Protocol, error_in
from airflow_provider_omics.local.http.wire import HttpAnswer, HttpRequest
from airflow_provider_omics.local.journal import Call


class AnswerLost(ConnectionError):
    """The connection is to be closed without an answer."""


def facts_of(call: Call, request: HttpRequest, members: dict[str, Any] | None = None) -> CallFacts:
    """Return what a fault rule can know of a call."""
    return CallFacts(call=call, members=members or {}, access_key=request.access_key, peer=request.peer)


def before_the_effect(fault: FaultRule | None, facts: CallFacts) -> None:
    """Let a fault show that keeps a call from taking effect.

    :raises AnswerLost: the connection is to be closed.
    :raises ServiceError: what the client is to be told.
    """
    if fault is None or fault.kind.is_after_the_effect:
        return
    if fault.act is not None:
        fault.act(facts)
    if fault.kind is FaultKind.DROPPED_CONNECTION:
        raise AnswerLost("the connection was dropped on purpose")
    if fault.kind is FaultKind.THROTTLE:
        raise ThrottlingException("Rate exceeded (injected)")
    raise _injected(fault)


def after_the_effect(fault: FaultRule | None, facts: CallFacts, stopping: threading.Event) -> None:
    """Let a fault show once a call has taken effect.

    :param stopping: set when the server stops, which ends slow answers at once.
    :raises AnswerLost: the connection is to be closed.
    :raises ServiceError: what the client is to be told.
    """
    if fault is None or not fault.kind.is_after_the_effect:
        return
    if fault.act is not None:
        fault.act(facts)
    if fault.kind is FaultKind.SLOW_ANSWER:
        stopping.wait(fault.seconds)
    elif fault.kind is FaultKind.LOST_ANSWER:
        raise AnswerLost("the answer was lost on purpose")
    else:
        raise _injected(fault)


class MotoFaults:
    """Injects faults into the calls of other services: S3, SQS, ECR, Service Quotas.

    :param now: tells the server's time.
    :param stopping: set when the server stops.
    """

    def __init__(self, faults: FaultPlan, now: Callable[[], datetime], stopping: threading.Event) -> None:
        self._faults = faults
        self._now = now
        self._stopping = stopping

    def answer(
        self, name: str, request: HttpRequest, carry_out: Callable[[], Iterable[bytes] | HttpAnswer]
    ) -> Iterable[bytes] | HttpAnswer:
        """Carry out one call, unless a fault is injected before.

        :param name: such as ``s3:PUT`` or ``sqs:ReceiveMessage``.
        :param carry_out: does it, and returns the body of the answer.
        :return: that body, or what a fault answers in its place.
        :raises AnswerLost: the connection is to be closed.
        """
        if name not in S3_OPERATIONS | SQS_OPERATIONS | ADVICE_OPERATIONS:
            return carry_out()
        call = Call(self._now(), name, resource_id=request.path)
        facts = facts_of(call, request)
        fault = self._faults.inject_exactly(name, facts)
        call.fault = fault.kind if fault else None
        try:
            before_the_effect(fault, facts)
            body = carry_out()
            call.took_effect = request.method not in ("GET", "HEAD")
            after_the_effect(fault, facts, self._stopping)
        except ServiceError as error:
            call.status, call.error = error.http_status, error.code
            return _refusal(error) if name in S3_OPERATIONS else _refusal_in_json(error)
        call.status = 200
        return body


def _injected(fault: FaultRule) -> ServiceError:
    error = error_of_code(fault.code, "Injected fault")
    error.http_status = fault.http_status
    return error


def _refusal(error: ServiceError) -> HttpAnswer:
    code, status = ("SlowDown", 503) if isinstance(error, ThrottlingException) else (error.code, error.http_status)
    return error_in(Protocol.S3, code, error.message, status)


def _refusal_in_json(error: ServiceError) -> HttpAnswer:
    return error_in(Protocol.JSON, f"com.amazonaws.sqs#{error.code}", error.message, error.http_status)
