"""What pages in a browser, and names that lead to loopback, may not ask of the local server."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from omics_service import ADMIN_HEADERS

from airflow_provider_omics.healthomics.requests.shapes import service_model
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.http.guard import HOST_PREFIXES
from airflow_provider_omics.local.http.moto import reset_moto

OMICS = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/omics/aws4_request, "
    "SignedHeaders=host, Signature=0"
}


@pytest.fixture(scope="module")
def server() -> Iterator[LocalOmics]:
    # Tests of other modules may have left buckets in moto, which all servers of this process share.
    reset_moto()
    with LocalOmics(executor="simulated") as started:
        yield started


def ask(
    server: LocalOmics, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
) -> tuple[int, Any]:
    """Send exactly these headers, and return the status and the answer's JSON."""
    connection = http.client.HTTPConnection(urlsplit(server.endpoint_url).netloc)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content) if answer.headers["Content-Type"] == "application/json" else content


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:{port}", "127.8.8.8", "localhost", "localhost:{port}", "LOCALHOST", "localhost."),
        *("[::1]", "[::1]:{port}", "127.0.0.1:9", "LocalHost.:{port}"),
        *("workflows-localhost:{port}", "analytics-127.0.0.1:{port}", "my.bucket.localhost:{port}"),
    ],
)
def test_names_of_loopback_are_answered(server: LocalOmics, host: str) -> None:
    port = urlsplit(server.endpoint_url).port
    status, _ = ask(server, "GET", "/run", {**OMICS, "Host": host.format(port=port)})
    assert status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:4577", "127.0.0.1.evil.example", "localhost.evil.example", "evil-localhost"),
        *(
            "localhost.attacker.example.",
            "localhost.localhost.evil",
            "[::1].evil.example",
            "[::1]evil.example:1",
            "::1",
        ),
        *("127.0.0.1.nip.io", "evil.example@127.0.0.1", "127.0.0.1@evil.example", "127.0.0.1,evil.example"),
        *("workflows-evil.example", "workflows-", "0.0.0.0", "192.0.2.1", "[::]", "[::1", "[fe80::1%25lo]"),
        *("localhost..", "127.1", "0x7f.0.0.1", "2130706433", "[::ffff:192.0.2.1]", "localhost:99999", "localhost:-1"),
        *("localhost:x", "localhost/evil.example", "s3.amazonaws.com", "", "."),
    ],
)
def test_foreign_names_are_refused(server: LocalOmics, host: str) -> None:
    before = server.journal.counts
    for path, headers in [("/run", OMICS), ("/", {}), ("/_local/health", ADMIN_HEADERS)]:
        status, answer = ask(server, "GET", path, {**headers, "Host": host})
        assert status == 403
        assert "--allow-host" in answer["message"]
    assert server.journal.counts == before


def test_a_request_without_a_name_is_refused(server: LocalOmics) -> None:
    parts = urlsplit(server.endpoint_url)
    for first in ("GET /run HTTP/1.1", "GET http://evil.example/_local/health HTTP/1.1\r\nHost: localhost"):
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            connection.sendall(f"{first}\r\n\r\n".encode())
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status in (400, 403)
            assert "Host" in json.load(answer)["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "file://"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/run"), ("POST", "/run"), ("PUT", "/a-bucket"), ("OPTIONS", "/_local/reset")]
)
def test_other_pages_are_refused(server: LocalOmics, method: str, path: str, headers: dict[str, str]) -> None:
    status, answer = ask(server, method, path, {**OMICS, **ADMIN_HEADERS, **headers}, b"{}")
    assert status == 403
    assert "outside of a browser" in answer["message"]
    assert server.client("s3").list_buckets()["Buckets"] == []


def test_a_page_that_the_server_itself_serves_is_another_page(server: LocalOmics) -> None:
    status, answer = ask(
        server, "GET", "/run", {**OMICS, "Origin": server.endpoint_url, "Sec-Fetch-Site": "same-origin"}
    )
    assert status == 403
    assert "outside of a browser" in answer["message"]
    s3 = server.client("s3")
    s3.create_bucket(Bucket="reports")
    s3.put_object(Bucket="reports", Key="report.html", Body=b"<script>0</script>", ContentType="text/html")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "reports", "Key": "report.html"})
    with urlopen(url) as page:
        assert page.headers["Content-Security-Policy"] == "sandbox allow-scripts"
    s3.delete_object(Bucket="reports", Key="report.html")
    s3.delete_bucket(Bucket="reports")


@pytest.mark.parametrize("chunks", [b"no number\r\n", b"-5\r\nabc\r\n"])
def test_chunks_that_cannot_be_read_are_told(server: LocalOmics, chunks: bytes) -> None:
    address = urlsplit(server.endpoint_url)
    head = f"POST /run HTTP/1.1\r\nHost: {address.netloc}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(head + chunks)
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"its chunks cannot be read" in answer


CONTROLS = [
    *[
        ("GET", "health"),
        ("POST", "reset"),
        ("DELETE", "faults"),
        ("PUT", "reset"),
        ("DELETE", "reset"),
        ("PATCH", "x"),
    ],
    *[("PUT", "../_local/reset"), ("POST", "./reset"), ("POST", "%2e/reset")],
]


@pytest.mark.parametrize(("method", "path"), CONTROLS)
def test_control_needs_a_header_of_its_own(server: LocalOmics, method: str, path: str) -> None:
    server.client("s3").create_bucket(Bucket="kept")
    status, answer = ask(server, method, f"/_local/{path}", {})
    assert status == 403
    assert "X-Omics-Local: 1" in answer["error"]
    assert [bucket["Name"] for bucket in server.client("s3").list_buckets()["Buckets"]] == ["kept"]
    server.client("s3").delete_bucket(Bucket="kept")


@pytest.mark.parametrize(
    "path",
    [
        *("//moto-api/reset", "//_local/reset", "/x/../moto-api/reset", "/x/../_local/reset", "/MOTO-API/reset"),
        *("/%2fmoto-api/reset", "/moto-api%2freset", "/_local%2freset", "/%5flocal/reset", "/;/_local/reset"),
        *("/_local;x/reset", "/.//_local/reset", "///moto-api///reset", "/\\moto-api/reset", "/?/../_local/reset"),
    ],
)
def test_no_spelling_of_a_path_reaches_control(server: LocalOmics, path: str) -> None:
    server.client("s3").create_bucket(Bucket="kept")
    for headers in ({}, OMICS, {"Authorization": OMICS["Authorization"].replace("/omics/", "/s3/")}):
        ask(server, "POST", path, {**headers, "Content-Type": "text/plain"}, b"{}")
    assert "kept" in [bucket["Name"] for bucket in server.client("s3").list_buckets()["Buckets"]]
    server.client("s3").delete_bucket(Bucket="kept")


def test_control_by_other_methods_is_unknown(server: LocalOmics) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        status, answer = ask(server, method, "/_local/reset", ADMIN_HEADERS, b"{}")
        assert status == 404
        assert f"{method} /_local/reset is unknown; there are GET /_local/health" in answer["error"]


@pytest.mark.parametrize("path", ["/_local/reset", "/moto-api/reset", "/%6doto-api/reset"])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
def test_forms_reach_no_control(server: LocalOmics, path: str, kind: str) -> None:
    server.client("s3").create_bucket(Bucket="kept")
    assert ask(server, "POST", path, {"Content-Type": kind}, b"a=1")[0] == 403
    status, answer = ask(server, "POST", path, {**ADMIN_HEADERS, "Content-Type": kind}, b"a=1")
    assert status == 415
    assert "application/json" in answer["error"]
    assert [bucket["Name"] for bucket in server.client("s3").list_buckets()["Buckets"]] == ["kept"]
    server.client("s3").delete_bucket(Bucket="kept")


def test_what_is_hidden_in_a_body_is_no_request(server: LocalOmics) -> None:
    """Two lengths, or two hosts: whichever is believed, the rest of what a page may send is no call of its own."""
    server.client("s3").create_bucket(Bucket="kept")
    address = urlsplit(server.endpoint_url)
    hidden = (
        f"POST /_local/reset HTTP/1.1\r\nHost: {address.netloc}\r\nX-Omics-Local: 1\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    chunk = f"{len(hidden):x}\r\n{hidden}\r\n0\r\n\r\n"
    for headers, body in [
        (f"Content-Length: {len(hidden)}", hidden),
        (f"Content-Length: {len(chunk)}\r\nTransfer-Encoding: chunked", chunk),
        ("Content-Length: 3\r\nTransfer-Encoding: chunked", chunk),
        (f"Content-Length: 0\r\nOrigin: https://evil.example\r\nContent-Length: {len(hidden)}", hidden),
        (f"Host: evil.example\r\nContent-Length: {len(hidden)}", hidden),
        (f"Transfer-Encoding: identity\r\nContent-Length: {len(hidden)}\r\nOrigin: null", hidden),
    ]:
        with socket.create_connection((address.hostname, address.port)) as connection:
            head = f"POST /run HTTP/1.1\r\nHost: {address.netloc}\r\n{headers}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + body.encode())
            answer = connection.makefile("rb").read()
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 403 "))
        assert answer.count(b"HTTP/1.1 ") == 1
    assert [bucket["Name"] for bucket in server.client("s3").list_buckets()["Buckets"]] == ["kept"]
    server.client("s3").delete_bucket(Bucket="kept")


def test_presigned_urls_of_elsewhere_reach_objects_and_nothing_else(server: LocalOmics) -> None:
    signed = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA/20260101/us-east-1/omics/aws4_request&X-Amz-Signature=0"
    )
    status, _ = ask(server, "GET", f"/_local/health?{signed}", {})
    assert status == 403
    status, answer = ask(server, "POST", f"/run?{signed}", {"Content-Type": "text/plain"}, b"{}")
    assert status >= 400
    assert server.journal.calls("StartRun") == []
    status, answer = ask(server, "GET", f"/bucket/key?{signed}", {"Sec-Fetch-Site": "cross-site"})
    assert status == 403
    assert "other web pages" in answer["error"]


@pytest.mark.parametrize("length", ["-1", "abc", "99999999999999"])
def test_a_wrong_length_is_refused(server: LocalOmics, length: str) -> None:
    status, answer = ask(server, "POST", "/run", {**OMICS, "Content-Length": length})
    assert status == 400
    assert "Content-Length" in answer["message"]


def test_a_refusal_is_told_although_the_body_is_large(server: LocalOmics) -> None:
    body = b"x" * (16 << 20)
    status, answer = ask(server, "PUT", "/bucket/key", {"Origin": "https://evil.example"}, body)
    assert status == 403
    assert "outside of a browser" in answer["message"]


def test_every_prefix_of_the_service_is_known() -> None:
    model = service_model()
    endpoints = [model.operation_model(name).endpoint for name in model.operation_names]
    assert {endpoint["hostPrefix"] for endpoint in endpoints if endpoint} == set(HOST_PREFIXES)


def test_a_name_can_be_allowed() -> None:
    with LocalOmics(executor="simulated", allowed_hosts=["omics.test"]) as server:
        for host, status in [("omics.test:4577", 200), ("bucket.omics.test", 200), ("other.test", 403)]:
            assert ask(server, "GET", "/run", {**OMICS, "Host": host})[0] == status


def test_who_binds_every_address_is_reached_at_each_but_under_no_other_name() -> None:
    with LocalOmics("0.0.0.0", executor="simulated", allow_remote=True) as server:
        for host, status in [("192.0.2.1", 200), ("0.0.0.0", 200), (socket.gethostname(), 200), ("evil.example", 403)]:
            assert ask(server, "GET", "/run", {**OMICS, "Host": host})[0] == status
