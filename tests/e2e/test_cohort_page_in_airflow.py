"""The cohort's page in a real Airflow: who may see it, what it shows, and that a Chromium can use it."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from airflow_cluster import AirflowCluster
from chromium import PROGRAM, Browser, chromium
from cohorts import failing
from omics_service import await_status, wdl_zip

from airflow_provider_omics.compat import HAS_COHORT_PAGE
from airflow_provider_omics.local import LocalOmics

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not HAS_COHORT_PAGE, reason="Airflow before 3.1 has no pages of plugins"),
]
needs_chromium = pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium; Debian's package is chromium")

DAG_ID, SECRET, RUN_ID = "e2e_cohort", "e2e_secret_cohort", "manual__2026-01-01T00:00:00+00:00"
SCRIPT = "<script>alert(1)</script>"
TIMEOUT = 300
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Site:
    """The web server, seen by users of it."""

    address: str
    home: Path

    @cache  # noqa: B019 - one object for all tests
    def token(self, user: str) -> str:
        password = json.loads((self.home / "passwords.json").read_text())[user]
        body = json.dumps({"username": user, "password": password}).encode()
        request = urllib.request.Request(f"{self.address}/auth/token", body, {"Content-Type": "application/json"})
        with _OPENER.open(request) as answer:
            return str(json.load(answer)["access_token"])

    def get(self, path: str, user: str | None, accept: str = "application/json") -> tuple[int, str, dict[str, str]]:
        """Return status, body and headers of an answer."""
        authorization = {"Authorization": f"Bearer {self.token(user)}"} if user else {}
        request = urllib.request.Request(f"{self.address}{path}", headers={"Accept": accept, **authorization})
        try:
            with _OPENER.open(request) as answer:
                return answer.status, answer.read().decode(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), dict(error.headers)

    def data(self, dag_id: str, rest: str = "") -> dict[str, Any]:
        """Return what the page of a cohort is given, once the table was read."""
        for _ in range(1_000):
            status, body, _ = self.get(f"/omics/data{cohort_path(dag_id)}{rest}", "admin")
            assert status == HTTPStatus.OK, body
            answer: dict[str, Any] = json.loads(body)
            if answer.get("state") != "reading":
                return answer
        raise AssertionError(answer)


def cohort_path(dag_id: str) -> str:
    return f"/cohorts/{dag_id}/{urllib.parse.quote(RUN_ID)}/cohort/-1"


@pytest.fixture(scope="module")
def site(cluster: AirflowCluster, quick_server: LocalOmics) -> Site:
    """A cohort in each of the two DAGs has ended, with a sample that failed."""
    members = {"conn_type": "aws", "login": "key", "password": "key"}
    cluster.add_connection("omics_page", {**members, "extra": json.dumps(quick_server.connection_extra())})
    s3, omics = quick_server.client("s3"), quick_server.client("omics")
    s3.create_bucket(Bucket="cohorts")
    workflow_id = omics.create_workflow(name="flow", engine="WDL", definitionZip=wdl_zip())["id"]
    await_status(lambda: omics.get_workflow(id=workflow_id), "ACTIVE")
    samples = [failing(SCRIPT), *({"runSettingId": f"secret-{n}"} for n in range(120))]
    s3.put_object(Bucket="cohorts", Key="samples.json", Body=json.dumps(samples).encode())
    conf = {"workflow_id": workflow_id, "run_settings": "s3://cohorts/samples.json"}
    for dag_id in (DAG_ID, SECRET):
        cluster.trigger(dag_id, RUN_ID, conf)
    for dag_id in (DAG_ID, SECRET):
        assert cluster.wait_for_dag_run(dag_id, RUN_ID, TIMEOUT) == "success"
    return Site(cluster.address, cluster.records.logs.parent)


def addresses(dag_id: str) -> dict[str, str]:
    """Every address of the application for a cohort, by its path in the code, so that a new one is tested too."""
    from airflow_provider_omics.page.app import create_app

    known = {"dag_id": dag_id, "run_id": urllib.parse.quote(RUN_ID), "task_id": "cohort", "map_index": "-1"}
    known["name"] = "page.css"
    routes = [route.path for route in create_app().routes]  # type: ignore[attr-defined]
    query = f"?{urllib.parse.urlencode({'sample': SCRIPT})}"
    return {path: f"/omics{path.format(**known)}{query if path.endswith('/log') else ''}" for path in routes}


def test_every_address_wants_a_login_and_one_of_a_cohort_permission_on_its_dag(site: Site) -> None:
    of_cohorts = 0
    for path, address in addresses(SECRET).items():
        for accept in ("application/json", "text/html"):
            status, body, _ = site.get(address, None, accept)
            assert (path, status) == (path, HTTPStatus.UNAUTHORIZED)
            assert "secret-" not in body
            status, body, _ = site.get(address, "vera", accept)
            assert "secret" not in body
            if "{dag_id}" in path:
                of_cohorts += 1
                assert (path, status) == (path, HTTPStatus.FORBIDDEN)
        assert (path, site.get(address, "admin")[0]) == (path, HTTPStatus.OK)
    assert of_cohorts >= 12
    # There is nothing else to be found out: what is not there is refused like what is.
    missing = cohort_path(SECRET).replace("/cohort/", "/no-such-task/")
    assert site.get(f"/omics/data{missing}", "vera")[0] == HTTPStatus.FORBIDDEN
    assert site.get(f"/omics/data{missing}", "admin")[0] == HTTPStatus.NOT_FOUND


def test_logs_and_xcoms_have_permissions_of_their_own(site: Site) -> None:
    for path, address in addresses(DAG_ID).items():
        expected = HTTPStatus.FORBIDDEN if "{dag_id}" in path else HTTPStatus.OK
        assert (path, site.get(address, "ulf")[0]) == (path, expected)


def test_the_list_has_the_cohorts_that_a_user_may_see(site: Site) -> None:
    for user, dags in (("admin", {DAG_ID, SECRET}), ("vera", {DAG_ID})):
        listed = json.loads(site.get("/omics/data/cohorts", user)[1])["cohorts"]
        assert {one["dag_id"] for one in listed if one["run_id"] == RUN_ID} == dags


def test_a_cohort_is_shown_over_the_connection_that_its_task_was_given(site: Site, cluster: AirflowCluster) -> None:
    task = site.data(DAG_ID)
    assert (task["connection"], task["state"]) == ("omics_page", "success")
    progress = site.data(DAG_ID, "/progress")
    assert (progress["state"], progress["counts"]["completed"], progress["counts"]["failed"]) == ("ended", 120, 1)
    samples = site.data(DAG_ID, "/samples?status=failed")
    assert [row["run_setting_id"] for row in samples["rows"]] == [SCRIPT]
    assert samples["rows"][0]["advice"]["owner"] == "the author of the workflow, or whoever provides the input data"
    assert site.data(DAG_ID, "/table")["report"]["uri"].startswith(f"s3://cohorts/{DAG_ID}/")
    log = site.data(DAG_ID, f"/log?{urllib.parse.urlencode({'sample': SCRIPT})}")
    assert log["tasks"][0]["log"]
    links = cluster.extra_links(DAG_ID, RUN_ID, "cohort")
    assert links["Cohort page"] == f"/omics{cohort_path(DAG_ID)}".replace(":", "%3A")


def test_nothing_but_task_sample_and_query_is_taken_and_only_read(site: Site) -> None:
    data = f"/omics/data{cohort_path(DAG_ID)}"
    for wrong in ("sort=arn", "size=1000", "page=0", "status=x", f"search={'x' * 300}"):
        assert (wrong, site.get(f"{data}/samples?{wrong}", "admin")[0]) == (wrong, HTTPStatus.UNPROCESSABLE_ENTITY)
    assert site.get("/omics/static/..%2Fapp.py", "admin")[0] == HTTPStatus.NOT_FOUND
    assert site.get("/omics/openapi.json", "admin")[0] == HTTPStatus.NOT_FOUND
    from airflow_provider_omics.page.app import create_app

    assert {method for route in create_app().routes for method in route.methods} == {"GET"}  # type: ignore[attr-defined]
    headers = site.get(f"/omics{cohort_path(DAG_ID)}", "admin")[2]
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_a_report_is_shown_as_if_it_came_from_elsewhere_and_without_scripts(site: Site) -> None:
    status, body, headers = site.get(f"/omics{cohort_path(DAG_ID)}/report", "vera", "text/html")
    assert status == HTTPStatus.OK
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body
    policy = headers["content-security-policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_no_way_of_writing_an_address_leads_past_a_permission(site: Site) -> None:
    secret = cohort_path(SECRET)
    run_id = urllib.parse.quote(RUN_ID)
    refused = (
        secret.replace(SECRET, SECRET.replace("_", "%5F")),
        f"{secret}?dag_id={DAG_ID}",
        cohort_path(DAG_ID).replace(DAG_ID, f"{DAG_ID}/..%2f{SECRET}"),
    )
    missing = (
        *(secret.replace(SECRET, other) for other in ("~", "%7E", SECRET.upper(), f"%20{SECRET}", "e2e%255Fsecret")),
        f"/cohorts/{DAG_ID}/../{SECRET}/{run_id}/cohort/-1",
        f"/cohorts/{DAG_ID}/..%2F{SECRET}%2F{run_id}/cohort/-1",
        secret.replace(SECRET, f"{SECRET}%00"),
        f"/cohorts/{DAG_ID}/{run_id}/' OR 1=1 --/-1".replace(" ", "%20"),
    )
    for addresses, allowed in ((refused[:2], {403}), ((refused[2], *missing), {400, 403, 404, 422})):
        for address in addresses:
            for rest in ("", "/progress", "/table", "/samples", "/log?sample=secret-1"):
                path, _, query = address.partition("?")
                status, body, headers = site.get(f"/omics/data{path}{rest}{'?' if query else ''}{query}", "vera")
                assert (address, rest, status in allowed) == (address, rest, True), status
                assert "secret-" not in body
                assert headers["content-security-policy"].startswith("default-src 'none'")
                assert headers["cache-control"] == "no-store"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@needs_chromium
def test_a_sample_is_found_and_its_log_read_by_keyboard_alone(site: Site, browser: Browser) -> None:
    browser.cookie(site.address, "_token", site.token("vera"))
    browser.open(f"{site.address}/omics{cohort_path(DAG_ID)}")
    browser.wait_for("document.querySelectorAll('#rows tr').length > 50 && document.querySelector('#groups li')")
    assert browser.text("#rows th") == SCRIPT
    assert "Who can act: the author of the workflow" in browser.text("#groups")
    tree = browser.tree()
    expected = {
        ("searchbox", "Search"),
        ("button", "Next"),
        ("button", "Sample"),
        ("table", "Samples of the cohort, one row each"),
    }
    assert expected <= {(role, name.strip()) for role, name in tree}
    (bar,) = (name for role, name in tree if role == "image" and "have ended" in name)
    assert bar.startswith("121 of 121 samples have ended (100\u00a0%), Completed 120, Failed 1")

    focused = "document.activeElement"
    browser.press("Tab")
    assert browser.evaluate(f"{focused}.className") == "skip"
    browser.press("Enter")
    browser.press("Tab")
    assert browser.evaluate(f"{focused}.id") == "search"
    browser.type("SCRIPT>alert")
    browser.wait_for("document.querySelectorAll('#rows .toggle').length === 1")
    for _ in range(40):
        browser.press("Tab")
        if browser.evaluate(f"{focused}.className") == "toggle":
            break
    browser.press("Enter")
    browser.wait_for("document.querySelector('#rows .log pre')")
    assert browser.evaluate(f"{focused}.getAttribute('aria-expanded')") == "true"
    assert browser.text("#news") == f"Log of {SCRIPT} is shown"
    assert browser.problems == []


@needs_chromium
def test_airflows_own_page_leads_to_the_cohort_and_to_nobody_without_permission(site: Site, browser: Browser) -> None:
    browser.cookie(site.address, "_token", site.token("vera"))
    browser.open(f"{site.address}/dags/{DAG_ID}/runs/{urllib.parse.quote(RUN_ID)}/tasks/cohort/details")
    browser.wait_for("[...document.querySelectorAll('a')].some((a) => a.innerText === 'Cohort page')")
    browser.evaluate("[...document.querySelectorAll('a')].find((a) => a.innerText === 'Cohort page').click()")
    browser.wait_for("location.pathname.startsWith('/omics/') && document.querySelectorAll('#rows tr').length > 50")
    browser.open(f"{site.address}/omics/")
    browser.wait_for("document.querySelector('#list a')")
    assert "secret" not in browser.text("body")
    browser.open(f"{site.address}/omics{cohort_path(SECRET)}")
    assert browser.text("h1") == "No permission"
    assert "secret" not in browser.text("body")
