"""What tests and scripts may ask of a running server, as JSON, under a path that no AWS client uses.

=======  ====================  ===================================================================================
method   path                  what it does
=======  ====================  ===================================================================================
GET      ``/_local/health``    says that the server answers, and for which regions it holds something
GET      ``/_local/journal``   the calls that are kept, oldest first; ``?operation=StartRun`` only those
GET      ``/_local/runs``      every run that was created, deleted ones too, oldest first
GET      ``/_local/counts``    calls and effects by operation, and the number of runs created
GET      ``/_local/faults``    the fault rules, each with the number of calls that it struck
POST     ``/_local/faults``    adds a rule: an object with the fields of ``faults.FaultRule``
DELETE   ``/_local/faults``    removes every rule
GET      ``/_local/access``    the IAM actions that are allowed (null: all), asked for, and denied, with their counts
POST     ``/_local/access``    ``{"policy": ...}``: an IAM policy document, or a list of actions; null allows all again
POST     ``/_local/rates``     ``{"enforced": true, "per_second": {"GetRun": 2}}``; published rates where none is given
POST     ``/_local/clock``     ``{"advance": 60}``: moves a clock that is moved by hand, in seconds
POST     ``/_local/settings``  ``{"assumptions": {...}, "timings": {...}, "quotas": {...}}``: changes the named fields
GET      ``/_local/state``     what each account and region holds: runs and batches by status, numbers of the rest
POST     ``/_local/reset``     forgets everything, moto's services too
=======  ====================  ===================================================================================

Every request needs the header ``X-Omics-Local: 1``, which no page of another site can send, and a body is JSON with
``Content-Type: application/json``. An error answers ``{"error": "..."}`` with HTTP 400, an unknown path with 404.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs

from airflow_provider_omics.local.faults import FaultRule
from airflow_provider_omics.local.http.wire import HttpAnswer, HttpRequest

if TYPE_CHECKING:
    from airflow_provider_omics.local.access import AccessControl
    from airflow_provider_omics.local.account_state import AccountState
    from airflow_provider_omics.local.assumptions import Assumptions
    from airflow_provider_omics.local.clock import Clock
    from airflow_provider_omics.local.faults import FaultPlan
    from airflow_provider_omics.local.journal import Journal
    from airflow_provider_omics.local.quotas import Quotas
    from airflow_provider_omics.local.timings import Timings

Payload = Mapping[str, Any]


class ServerControl(Protocol):
    """What the admin paths read and change of a server."""

    clock: Clock
    assumptions: Assumptions
    timings: Timings
    quotas: Quotas
    journal: Journal
    faults: FaultPlan
    access: AccessControl

    def accounts(self) -> list[AccountState]: ...
    def advance(self, seconds: float) -> None: ...
    def enforce_rates(self, enforced: bool, per_second: Mapping[str, float]) -> None: ...
    def reset(self) -> None: ...
    def change(
        self, *, assumptions: Payload | None = None, timings: Payload | None = None, quotas: Payload | None = None
    ) -> None: ...


class Admin:
    """Answers the admin paths of one server."""

    def __init__(self, server: ServerControl) -> None:
        self._server = server
        self._actions: dict[tuple[str, str], Callable[[Payload], Any]] = {
            ("GET", "health"): self._health,
            ("GET", "journal"): self._journal,
            ("GET", "runs"): self._runs,
            ("GET", "counts"): self._counts,
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "access"): self._access,
            ("POST", "access"): self._change_access,
            ("POST", "rates"): self._rates,
            ("POST", "clock"): self._clock,
            ("POST", "settings"): self._settings,
            ("GET", "state"): self._state,
            ("POST", "reset"): self._reset,
        }

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Carry out one request."""
        name = request.path.removeprefix("/_local/").strip("/")
        action = self._actions.get((request.method, name))
        if action is None:
            known = ", ".join(f"{method} /_local/{path}" for method, path in self._actions)
            return _json(404, {"error": f"{request.method} {request.path} is unknown; there are {known}"})
        try:
            payload = _payload(request)
            return _json(200, action(payload))
        except (TypeError, ValueError, KeyError) as error:
            return _json(400, {"error": f"{type(error).__name__}: {error}"})

    def _health(self, _payload: Payload) -> Any:
        return {"status": "ok", "regions": [state.region for state in self._server.accounts()]}

    def _journal(self, payload: Payload) -> Any:
        return [asdict(call) for call in self._server.journal.calls(payload.get("operation"))]

    def _runs(self, _payload: Payload) -> Any:
        return [asdict(run) for run in self._server.journal.runs()]

    def _counts(self, _payload: Payload) -> Any:
        journal = self._server.journal
        return {"calls": journal.counts, "effects": journal.effects, "runs_created": journal.runs_created}

    def _faults(self, _payload: Payload) -> Any:
        return [{**_shown(rule), "struck": struck} for rule, struck in self._server.faults.rules()]

    def _add_fault(self, payload: Payload) -> Any:
        self._server.faults.add(FaultRule(**payload))
        return self._faults({})

    def _clear_faults(self, _payload: Payload) -> Any:
        self._server.faults.clear()
        return []

    def _access(self, _payload: Payload) -> Any:
        access = self._server.access
        return {"allowed": access.allowed, "asked": access.asked, "denied": access.denied}

    def _change_access(self, payload: Payload) -> Any:
        self._server.access.change(payload["policy"])
        self._server.access.forget()
        return self._access({})

    def _rates(self, payload: Payload) -> Any:
        self._server.enforce_rates(bool(payload["enforced"]), payload.get("per_second", {}))
        return {"enforced": bool(payload["enforced"])}

    def _clock(self, payload: Payload) -> Any:
        self._server.advance(float(payload["advance"]))
        return {"now": self._server.clock.now()}

    def _settings(self, payload: Payload) -> Any:
        self._server.change(**payload)
        return {
            "assumptions": asdict(self._server.assumptions),
            "timings": asdict(self._server.timings),
            "quotas": asdict(self._server.quotas),
        }

    def _state(self, _payload: Payload) -> Any:
        return {state.region: _summary(state) for state in self._server.accounts()}

    def _reset(self, _payload: Payload) -> Any:
        self._server.reset()
        return {}


def _shown(rule: FaultRule) -> dict[str, Any]:
    # Functions are for tests that share the server's process; they have no form in JSON.
    return {one.name: getattr(rule, one.name) for one in fields(rule) if one.name not in ("matches", "act")}


def _summary(state: AccountState) -> dict[str, Any]:
    with state.lock:
        return {
            "now": state.now(),
            "runs": Counter(run.status for run in state.runs.values()),
            "batches": Counter(batch.status for batch in state.batches.values()),
            "workflows": len(state.workflows),
            "run_groups": len(state.run_groups),
            "run_caches": len(state.run_caches),
            "configurations": len(state.configurations),
        }


def _payload(request: HttpRequest) -> Payload:
    if request.method != "POST":
        return {name: values[-1] for name, values in parse_qs(request.query).items()}
    payload = json.loads(request.body or b"{}")
    if not isinstance(payload, dict):
        raise ValueError("the body is not a JSON object")
    return payload


def _json(status: int, value: Any) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(value, default=str).encode(), {"Content-Type": "application/json"})
