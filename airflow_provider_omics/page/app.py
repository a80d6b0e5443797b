"""FastAPI application of the cohort's page; every address only reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from html import escape
from pathlib import Path
from string import Template
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException as AnyHTTPException

from airflow_provider_omics.healthomics.requests.identity import TaskIdentity
from airflow_provider_omics.links.cohort_page import URL_PREFIX, page_path
from airflow_provider_omics.page.access import MAY_SEE_COHORT, MAY_SEE_LOGS, IsLoggedIn, ReadableDags
from airflow_provider_omics.page.airflow_database import find_task, list_tasks
from airflow_provider_omics.page.cohort_task import CohortTask
from airflow_provider_omics.page.cohorts import CohortReader, describe_task
from airflow_provider_omics.page.problems import problem_of
from airflow_provider_omics.page.queries import SamplesQuery, TaskFromPath
from airflow_provider_omics.page.report_object import NO_REPORT

_STATIC = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FILES = {path.name: path for path in _STATIC.iterdir() if path.suffix in _TYPES}
_COHORT = "/cohorts/{dag_id}/{run_id}/{task_id}/{map_index}"
_PAGE_SIZE = 50
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# Whoever may write to the bucket may have written the report: it is shown as if it came from nowhere, without scripts.
_OF_A_REPORT = {
    "Content-Security-Policy": "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
_HTML = {name: (_STATIC / f"{name}.html").read_text(encoding="utf-8") for name in ("cohort", "cohorts", "refused")}
_REFUSALS = {
    401: ("Log in first", "This page shows what Airflow lets you see, so it has to know who you are."),
    403: ("No permission", "You may not read the tasks of this DAG. Ask whoever manages Airflow for it."),
    404: ("Not found", "There is no such page, or no such task instance any more."),
}


def create_app() -> FastAPI:
    """Make the application, with caches of its own.

    Each of the web server's processes has one, and asks HealthOmics for itself.
    """
    app = FastAPI(title="HealthOmics cohorts", docs_url=None, redoc_url=None, openapi_url=None)
    reader = CohortReader()
    app.state.reader = reader
    app.middleware("http")(_with_headers)
    app.exception_handler(AnyHTTPException)(_refused)
    _add_pages(app, reader)
    _add_data(app, reader)
    return app


def _add_pages(app: FastAPI, reader: CohortReader) -> None:
    @app.get("/", dependencies=[IsLoggedIn])
    def cohorts_page() -> HTMLResponse:
        return HTMLResponse(_HTML["cohorts"])

    @app.get(_COHORT, dependencies=MAY_SEE_COHORT)
    def cohort_page() -> HTMLResponse:
        # The same for every cohort: what it shows are answers of the addresses below, put in as text.
        return HTMLResponse(_HTML["cohort"])

    @app.get(f"{_COHORT}/report", dependencies=MAY_SEE_COHORT)
    async def report_page(task: TaskFromPath) -> HTMLResponse:
        answer = await _answer(task, reader.report)
        if "html" not in answer:
            problem = answer["problem"]
            status = 404 if problem["code"] == NO_REPORT.code else 502
            return _notice(status, problem["what"], problem["remedy"], f"../{task.map_index}", "The cohort's page")
        return HTMLResponse(answer["html"], headers=_OF_A_REPORT)

    @app.get("/static/{name}", dependencies=[IsLoggedIn])
    def static_file(name: str) -> Response:
        if name not in _FILES:
            raise HTTPException(404, "There is no such file")
        return Response(_FILES[name].read_bytes(), media_type=_TYPES[_FILES[name].suffix])


def _add_data(app: FastAPI, reader: CohortReader) -> None:
    @app.get("/data/cohorts")
    def cohorts(dags: ReadableDags, page: Annotated[int, Query(ge=1, le=1_000)] = 1) -> dict[str, Any]:
        found = list_tasks(dags, (page - 1) * _PAGE_SIZE, _PAGE_SIZE + 1)
        return {"cohorts": [describe_task(task) for task in found[:_PAGE_SIZE]], "more": len(found) > _PAGE_SIZE}

    @app.get(f"/data{_COHORT}", dependencies=MAY_SEE_COHORT)
    def cohort(task: TaskFromPath) -> dict[str, Any]:
        return describe_task(_found(task))

    @app.get(f"/data{_COHORT}/progress", dependencies=MAY_SEE_COHORT)
    async def progress(task: TaskFromPath) -> dict[str, Any]:
        return await _answer(task, reader.progress)

    @app.get(f"/data{_COHORT}/table", dependencies=MAY_SEE_COHORT)
    async def table(task: TaskFromPath) -> dict[str, Any]:
        return await _answer(task, reader.table)

    @app.get(f"/data{_COHORT}/samples", dependencies=MAY_SEE_COHORT)
    async def samples(task: TaskFromPath, query: SamplesQuery) -> dict[str, Any]:
        return await _answer(task, lambda found: reader.samples(found, query))

    @app.get(f"/data{_COHORT}/log", dependencies=MAY_SEE_LOGS)
    async def log(task: TaskFromPath, sample: Annotated[str, Query(max_length=1_000)]) -> dict[str, Any]:
        return await _answer(task, lambda found: reader.log(found, sample))


def _found(identity: TaskIdentity) -> CohortTask:
    task = find_task(identity)
    if task is None:
        raise HTTPException(404, "There is no such task instance")
    return task


async def _answer(identity: TaskIdentity, read: Callable[[CohortTask], Future[dict[str, Any]]]) -> dict[str, Any]:
    """Return what is read of a cohort, or the problem in its place."""
    task = await run_in_threadpool(_found, identity)
    try:
        # Shielded, since others wait for the same answer.
        return await asyncio.shield(asyncio.wrap_future(read(task)))
    except Exception as error:
        return {"state": "problem", "problem": problem_of(error).to_json()}


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    # No database has such a name, and the one that is asked for it may take that for an error of its own.
    response = await (_refused(request, AnyHTTPException(404)) if "\0" in request.scope["path"] else call_next(request))
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def _refused(request: Request, error: Exception) -> Response:
    status, detail = getattr(error, "status_code", 500), getattr(error, "detail", "")
    # A person who opened the page gets one to read; what the page itself asks for is JSON.
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"detail": detail}, status)
    title, text = _REFUSALS.get(status, (f"Error {status}", ""))
    top = page_path().removesuffix(f"{URL_PREFIX}/")
    login = (f"{top}/api/v2/auth/login?{urlencode({'next': request.url.path})}", "Log in to Airflow")
    link, label = login if status == 401 else (f"{top}/", "Airflow")
    return _notice(status, title, text, link, label)


def _notice(status: int, title: str, text: str, link: str, label: str) -> HTMLResponse:
    words = {"status": title, "text": text, "link": link, "label": label}
    return HTMLResponse(
        Template(_HTML["refused"]).substitute({name: escape(word) for name, word in words.items()}), status
    )
