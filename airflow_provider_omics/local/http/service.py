"""From one HTTP request of the omics service to its answer: faults, rates, checks, the operation, the journal."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from airflow_provider_omics.local.errors import (
    InternalServerException,
    ServiceError,
    ThrottlingException,
    error_of_code,
)
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.local.http import wire
from airflow_provider_omics.local.journal import Call
from airflow_provider_omics.local.operations.registry import HANDLERS, Handler
from airflow_provider_omics.local.regions import SLICE_SECONDS
from airflow_provider_omics.local.world import World

log = logging.getLogger(__name__)

_OPERATION_MODULES = (
    "runs",
    "run_tasks",
    "workflows",
    "workflow_versions",
    "run_groups",
    "run_caches",
    "tags",
    "batches",
)


class AnswerLost(ConnectionError):
    """The connection is to be closed without an answer."""


class OmicsService:
    """Answers the operations of HealthOmics.

    :param stopping: set when the server stops, which ends slow answers at once.
    """

    def __init__(self, stopping: threading.Event | None = None) -> None:
        self._stopping = stopping or threading.Event()
        for module in _OPERATION_MODULES:
            import_module(f"airflow_provider_omics.local.operations.{module}")

    def answer(self, world: World, request: wire.HttpRequest) -> wire.HttpAnswer:
        """Carry out one request and note it in the journal.

        :raises AnswerLost: a fault wants the connection closed.
        """
        call = Call(world.clock.now(), operation="")
        try:
            answer = self._answer(world, request, call)
            call.status = answer.status
        except ServiceError as error:
            answer = wire.error_answer(error, world.assumptions.error_form)
            call.status, call.error = error.http_status, error.code
        except AnswerLost:
            raise
        except Exception as error:
            log.exception("The local HealthOmics server failed")
            failure = InternalServerException(f"The local HealthOmics server failed: {type(error).__name__}: {error}")
            answer = wire.error_answer(failure, world.assumptions.error_form)
            call.status, call.error = failure.http_status, failure.code
        finally:
            world.journal.add(call)
        answer.headers["x-amzn-RequestId"] = str(uuid.uuid4())
        return answer

    def _answer(self, world: World, request: wire.HttpRequest, call: Call) -> wire.HttpAnswer:
        route = wire.find_route(request.method, request.path)
        call.operation = route.operation
        handler = _handler_of(route.operation)
        fault = world.faults.strike(route.operation)
        call.fault = fault.kind if fault else None
        if fault is not None and not fault.kind.is_after_the_effect:
            _refuse(fault)
        world.rates.take(route.operation)
        members = wire.parse_request(route, request)
        call.request_id = members.get("requestId")
        call.resource_id = next(iter(route.labels.values()), members.get("batchId"))
        answer = wire.answer(route.operation, self._carry_out(world, handler, members, call))
        if fault is not None and fault.kind.is_after_the_effect:
            self._spoil(fault)
        return answer

    def _carry_out(self, world: World, handler: Handler, members: dict[str, Any], call: Call) -> Mapping[str, Any]:
        with world.lock:
            world.timeline.run_due(SLICE_SECONDS)
            if call.request_id is None:
                result = handler(world, members)
            else:
                first = world.request_ids.first_answer(call.operation, members)
                if first is not None:
                    call.resource_id = first.get("id")
                    return first
                result = handler(world, members)
                world.request_ids.remember(call.operation, members, result)
        call.resource_id = result.get("id") or call.resource_id
        call.took_effect = wire.changes_something(call.operation)
        return result

    def _spoil(self, fault: FaultRule) -> None:
        if fault.kind is FaultKind.SLOW_ANSWER:
            self._stopping.wait(fault.seconds)
        elif fault.kind is FaultKind.LOST_ANSWER:
            raise AnswerLost("the answer was lost on purpose")
        else:
            raise _injected(fault)


def _handler_of(operation: str) -> Handler:
    handler = HANDLERS.get(operation)
    if handler is None:
        served = ", ".join(sorted(HANDLERS))
        raise ServiceError(
            f"{operation} is not served by the local HealthOmics server; it serves {served}",
            code="UnknownOperationException",
            http_status=404,
        )
    return handler


def _refuse(fault: FaultRule) -> None:
    if fault.kind is FaultKind.DROPPED_CONNECTION:
        raise AnswerLost("the connection was dropped on purpose")
    if fault.kind is FaultKind.THROTTLE:
        raise ThrottlingException("Rate exceeded (injected)")
    raise _injected(fault)


def _injected(fault: FaultRule) -> ServiceError:
    error = error_of_code(fault.code, "Injected fault")
    error.http_status = fault.http_status
    return error
