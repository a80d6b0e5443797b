"""From one HTTP request of the omics service to its answer: faults, rates, checks, the operation, the journal."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Mapping
from typing import Any

from airflow_provider_omics.healthomics.api.actions import PASS_ROLE, actions_of
from airflow_provider_omics.local.access import AccessControl, refusal_text
from airflow_provider_omics.local.account_state import AccountState
from airflow_provider_omics.local.errors import AccessDeniedException, InternalServerException, ServiceError
from airflow_provider_omics.local.http import wire
from airflow_provider_omics.local.http.injection import AnswerLost, after_the_effect, before_the_effect, facts_of
from airflow_provider_omics.local.http.waiters import Waiters
from airflow_provider_omics.local.journal import Call
from airflow_provider_omics.local.operations.registry import Handler, handlers
from airflow_provider_omics.local.regions import SLICE_SECONDS
from airflow_provider_omics.local.workflows.machine import await_definition

log = logging.getLogger(__name__)


class OmicsService:
    """Answers the operations of HealthOmics.

    :param stopping: set when the server stops, which ends slow answers at once.
    :param access: which calls are allowed; None for all.
    """

    def __init__(self, stopping: threading.Event | None = None, access: AccessControl | None = None) -> None:
        self._stopping = stopping or threading.Event()
        self._access = access or AccessControl()
        self._handlers = handlers()
        self._waiters = Waiters()

    def answer(self, state: AccountState, request: wire.HttpRequest) -> wire.HttpAnswer:
        """Carry out one request and note it in the journal.

        :raises AnswerLost: a fault wants the connection closed.
        """
        call = Call(state.clock.now(), operation="")
        try:
            answer = self._answer(state, request, call)
            call.status = answer.status
        except ServiceError as error:
            answer = wire.error_answer(error, state.assumptions.error_form)
            call.status, call.error = error.http_status, error.code
        except AnswerLost:
            raise
        except Exception as error:
            log.exception("The local HealthOmics server failed")
            failure = InternalServerException(f"The local HealthOmics server failed: {type(error).__name__}: {error}")
            answer = wire.error_answer(failure, state.assumptions.error_form)
            call.status, call.error = failure.http_status, failure.code
        finally:
            state.journal.add(call)
        answer.headers["x-amzn-RequestId"] = str(uuid.uuid4())
        return answer

    def _answer(self, state: AccountState, request: wire.HttpRequest, call: Call) -> wire.HttpAnswer:
        route = wire.find_route(request.method, request.path)
        call.operation = route.operation
        handler = self._handler_of(route.operation)
        members, refusal = _read(route, request)
        # Also a call that gets no further is to be found by what it was about.
        call.request_id = members.get("requestId")
        call.resource_id = next(iter(route.labels.values()), members.get("batchId"))
        self._check_access(state, route.operation, members)
        facts = facts_of(call, request, members)
        fault = state.faults.inject(route.operation, facts)
        call.fault = fault.kind if fault else None
        before_the_effect(fault, facts)
        state.rates.take(route.operation)
        if refusal is not None:
            raise refusal
        result = self._carry_out(state, handler, members, call)
        if route.operation in ("CreateWorkflow", "CreateWorkflowVersion"):
            await_definition(state, result)
        if state.assumptions.waiters_see_running and route.operation in ("GetRun", "GetRunTask"):
            result = self._waiters.show(request.user_agent, result)
        answer = wire.answer(route.operation, result)
        after_the_effect(fault, facts, self._stopping)
        return answer

    def _check_access(self, state: AccountState, operation: str, members: Mapping[str, Any]) -> None:
        action = self._access.refused(actions_of(operation, members))
        if action is not None:
            role = (members.get("defaultRunSetting") or members).get("roleArn")
            resource = role if action == PASS_ROLE else None
            raise AccessDeniedException(refusal_text(state.user_arn, action, resource))

    def _carry_out(
        self, state: AccountState, handler: Handler, members: dict[str, Any], call: Call
    ) -> Mapping[str, Any]:
        with state.lock:
            state.timeline.run_due(SLICE_SECONDS)
            if call.request_id is None:
                result = handler(state, members)
            else:
                first = state.request_ids.first_answer(call.operation, members)
                if first is not None:
                    call.resource_id = first.get("id")
                    return first
                result = handler(state, members)
                state.request_ids.remember(call.operation, members, result)
        call.resource_id = result.get("id") or call.resource_id
        call.took_effect = wire.changes_something(call.operation)
        return result

    def _handler_of(self, operation: str) -> Handler:
        handler = self._handlers.get(operation)
        if handler is None:
            served = ", ".join(sorted(self._handlers))
            raise ServiceError(
                f"{operation} is not served by the local HealthOmics server; it serves {served}",
                code="UnknownOperationException",
                http_status=404,
            )
        return handler


def _read(route: wire.Route, request: wire.HttpRequest) -> tuple[dict[str, Any], ServiceError | None]:
    try:
        return wire.parse_request(route, request), None
    except ServiceError as error:
        return {}, error
