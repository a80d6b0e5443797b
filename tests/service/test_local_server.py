"""The local server as a whole: sync and async clients, the services beside it, the admin path, the command."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiobotocore.session
import boto3
import pytest
from aiobotocore.config import AioConfig
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from omics_service import ADMIN_HEADERS, ROLE, await_status, wdl_zip

from airflow_provider_omics.healthomics.requests.shapes import service_model
from airflow_provider_omics.local import LocalOmics, ManualClock, Timings

SIGNED = "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/omics/aws4_request, SignedHeaders=host, Signature=0"

Start = Callable[..., dict[str, Any]]

SERVED = {
    *("StartRun", "GetRun", "ListRuns", "CancelRun", "DeleteRun", "ListRunTasks", "GetRunTask"),
    *("StartRunBatch", "GetBatch", "ListBatch", "ListRunsInBatch", "CancelRunBatch", "DeleteRunBatch", "DeleteBatch"),
    *("CreateWorkflow", "GetWorkflow", "ListWorkflows", "UpdateWorkflow", "DeleteWorkflow"),
    *("CreateWorkflowVersion", "GetWorkflowVersion", "ListWorkflowVersions", "UpdateWorkflowVersion"),
    *("DeleteWorkflowVersion", "CreateRunGroup", "GetRunGroup", "ListRunGroups", "UpdateRunGroup", "DeleteRunGroup"),
    *("CreateRunCache", "GetRunCache", "ListRunCaches", "UpdateRunCache", "DeleteRunCache"),
    *("CreateConfiguration", "GetConfiguration", "ListConfigurations", "DeleteConfiguration"),
    *("TagResource", "UntagResource", "ListTagsForResource"),
}


def raw_client(server: LocalOmics, **config: Any) -> Any:
    """A client that checks nothing itself, so that anything reaches the server."""
    settings = Config(parameter_validation=False, retries={"total_max_attempts": 1}, **config)
    return server.client("omics", config=settings)


def members_in_path(operation: str) -> list[str]:
    shape = service_model().operation_model(operation).input_shape
    if shape is None:
        return []
    return [name for name, member in shape.members.items() if member.serialization.get("location") == "uri"]


def admin(server: LocalOmics, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    url = f"{server.endpoint_url}/_local/{path}"
    request = urllib.request.Request(url, data=data, method=method, headers=ADMIN_HEADERS)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class TestRouting:
    def test_every_operation_of_the_service_is_served_or_named(self, server: LocalOmics) -> None:
        """An operation that is served refuses an empty request or answers it; another is named in the error."""
        client = raw_client(server)
        told = {}
        for python_name, operation in client.meta.method_to_api_mapping.items():
            try:
                getattr(client, python_name)(**dict.fromkeys(members_in_path(operation), "1"))
            except ClientError as error:
                told[operation] = (error.response["Error"]["Code"], error.response["Error"]["Message"])
            else:
                told[operation] = ("answered", "")
        assert told.keys() == set(service_model().operation_names)
        for operation, (code, message) in told.items():
            if operation in SERVED:
                assert code in {"answered", "ValidationException", "ResourceNotFoundException"}, operation
            else:
                assert code == "UnknownOperationException", operation
                assert message.startswith(f"{operation} is not served by the local HealthOmics server; it serves ")

    def test_an_unknown_path_is_named(self, server: LocalOmics) -> None:
        connection = http.client.HTTPConnection(urlsplit(server.endpoint_url).netloc)
        connection.request("GET", "/nothing/here", headers={"Authorization": SIGNED})
        response = connection.getresponse()
        assert response.status == 404
        assert response.getheader("x-amzn-errortype") == "UnknownOperationException"
        assert "GET /nothing/here" in json.load(response)["message"]
        connection.close()

    def test_regions_are_apart(self, server: LocalOmics, start_run: Start) -> None:
        run_id = start_run()["id"]
        elsewhere = server.client("omics", "eu-west-1")
        assert elsewhere.list_runs()["items"] == []
        with pytest.raises(ClientError, match="not found"):
            elsewhere.get_run(id=run_id)
        assert {state.region for state in server.accounts()} == {"us-east-1", "eu-west-1"}

    @pytest.mark.parametrize("prefix", ["workflows-", "tags-"])
    def test_a_host_prefix_does_not_matter(self, server: LocalOmics, start_run: Start, prefix: str) -> None:
        run = start_run()
        parts = urlsplit(server.endpoint_url)
        connection = http.client.HTTPConnection(parts.netloc)
        headers = {"Authorization": SIGNED, "Host": f"{prefix}localhost:{parts.port}"}
        connection.request("GET", f"/run/{run['id']}", headers=headers)
        assert json.load(connection.getresponse())["uuid"] == run["uuid"]
        connection.close()


class TestServicesBeside:
    def test_s3_of_the_same_endpoint(self, server: LocalOmics) -> None:
        s3 = server.client("s3")
        s3.create_bucket(Bucket="reads")
        body = os.urandom(300_000)
        s3.put_object(Bucket="reads", Key="a/b c.fq", Body=body, Metadata={"sample_id": "ä".encode().hex()})
        answer = s3.get_object(Bucket="reads", Key="a/b c.fq")
        assert answer["Body"].read() == body
        assert answer["Metadata"] == {"sample_id": "ä".encode().hex()}
        assert s3.head_object(Bucket="reads", Key="a/b c.fq")["ContentLength"] == len(body)

    def test_a_presigned_url_needs_no_header(self, server: LocalOmics) -> None:
        s3 = server.client("s3")
        s3.create_bucket(Bucket="reads")
        s3.put_object(Bucket="reads", Key="a", Body=b"content")
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "reads", "Key": "a"})
        with urllib.request.urlopen(url) as response:
            assert response.read() == b"content"

    def test_uploads_in_parts_and_streams(self, server: LocalOmics, tmp_path: Path) -> None:
        from boto3.s3.transfer import TransferConfig

        source, target = tmp_path / "source", tmp_path / "target"
        source.write_bytes(os.urandom(11 * 1024 * 1024))
        s3 = server.client("s3")
        s3.create_bucket(Bucket="reads")
        s3.upload_file(str(source), "reads", "big", Config=TransferConfig(multipart_threshold=5 * 1024 * 1024))
        s3.download_file("reads", "big", str(target))
        assert target.read_bytes() == source.read_bytes()

    def test_sts_logs_events_and_queues(self, server: LocalOmics) -> None:
        assert server.client("sts").get_caller_identity()["Account"] == "123456789012"
        assert server.client("logs").describe_log_groups()["logGroups"] == []
        assert server.client("events").list_event_buses()["EventBuses"][0]["Name"] == "default"
        assert server.client("sqs").create_queue(QueueName="q")["QueueUrl"].endswith("/q")

    def test_status_changes_reach_a_queue(self, server: LocalOmics, omics: Any, start_run: Start) -> None:
        sqs, events = server.client("sqs"), server.client("events")
        url = sqs.create_queue(QueueName="changes")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        events.put_rule(Name="omics", EventPattern=json.dumps({"source": ["aws.omics"]}))
        events.put_targets(Rule="omics", Targets=[{"Id": "q", "Arn": attributes["QueueArn"]}])
        run_id = start_run()["id"]
        await_status(lambda: omics.get_run(id=run_id), "COMPLETED")
        server.account().events.drain()
        told = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            told += [json.loads(message["Body"]) for message in messages]
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        statuses = [event["detail"]["status"] for event in told if event["detail-type"] == "Run Status Change"]
        assert statuses == ["PENDING", "STARTING", "RUNNING", "STOPPING", "COMPLETED"]


class TestClients:
    def test_the_environment_points_boto3_at_the_server(
        self, server: LocalOmics, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        session = boto3.Session()
        assert session.client("omics").list_runs()["items"] == []
        assert session.client("s3").list_buckets()["Buckets"] == []

    def test_aiobotocore_starts_lists_waits_and_deletes(self, server: LocalOmics, make_workflow: Any) -> None:
        workflow_id = make_workflow()

        async def work() -> tuple[list[str], list[str]]:
            session = aiobotocore.session.get_session()
            async with session.create_client(
                "omics",
                region_name="us-east-1",
                endpoint_url=server.endpoint_url,
                aws_access_key_id="local",
                aws_secret_access_key="local",
                config=AioConfig(inject_host_prefix=False, max_pool_connections=10),
            ) as omics:
                request = {"workflowId": workflow_id, "roleArn": ROLE, "outputUri": "s3://results/runs"}
                started = await asyncio.gather(*[omics.start_run(name=str(n), **request) for n in range(30)])
                waiter = omics.get_waiter("run_completed")
                await waiter.wait(id=started[-1]["id"], WaiterConfig={"Delay": 1, "MaxAttempts": 30})
                listed = []
                async for page in omics.get_paginator("list_runs").paginate(PaginationConfig={"PageSize": 7}):
                    listed += [run["id"] for run in page["items"]]
                await omics.delete_run(id=started[-1]["id"])
                with pytest.raises(ClientError, match="not found"):
                    await omics.get_run(id=started[-1]["id"])
                return sorted(run["id"] for run in started), sorted(listed)

        started, listed = asyncio.run(work())
        assert listed == started
        assert server.journal.effects["DeleteRun"] == 1

    def test_the_airflow_connection_says_the_same_as_the_environment(self, server: LocalOmics) -> None:
        from airflow.models import Connection

        connection = Connection(uri=server.airflow_connection_uri("eu-west-1"))
        assert connection.conn_type == "aws"
        assert connection.extra_dejson == server.connection_extra("eu-west-1")
        assert connection.extra_dejson["config_kwargs"] == {"inject_host_prefix": False}


class TestHttp:
    def test_a_connection_is_kept_for_the_next_request(self, server: LocalOmics) -> None:
        connection = http.client.HTTPConnection(urlsplit(server.endpoint_url).netloc)
        connection.request("GET", "/_local/health", headers=ADMIN_HEADERS)
        first = connection.getresponse()
        assert first.version == 11
        assert int(first.headers["Content-Length"]) == len(first.read())
        used = connection.sock
        for method, path in [("GET", "/_local/counts"), ("POST", "/_local/reset"), ("GET", "/a-bucket?list-type=2")]:
            connection.request(method, path, body=b"{}" if method == "POST" else None, headers=ADMIN_HEADERS)
            connection.getresponse().read()
        assert connection.sock is used
        connection.close()

    def test_an_expected_continue_is_sent_before_the_body(self, server: LocalOmics) -> None:
        server.client("s3").create_bucket(Bucket="reads")
        parts = urlsplit(server.endpoint_url)
        with socket.create_connection((parts.hostname, parts.port), timeout=300) as connection:
            connection.sendall(
                b"PUT /reads/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
            )
            assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(b"abc")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")

    def test_a_chunked_body_is_read_whole(self, server: LocalOmics) -> None:
        connection = http.client.HTTPConnection(urlsplit(server.endpoint_url).netloc)
        body = iter([b'{"enforced"', b": false}"])
        headers = {**ADMIN_HEADERS, "Transfer-Encoding": "chunked"}
        connection.request("POST", "/_local/rates", body=body, encode_chunked=True, headers=headers)
        response = connection.getresponse()
        assert (response.status, json.load(response)) == (200, {"enforced": False})
        connection.close()

    def test_a_stopped_server_answers_nobody_even_on_open_connections(self) -> None:
        server = LocalOmics(executor="simulated").start()
        omics = raw_client(server)
        omics.list_runs()
        server.stop()
        with pytest.raises(EndpointConnectionError):
            omics.list_runs()
        server.stop()

    def test_the_port_is_free_again_and_nothing_is_left(self) -> None:
        with LocalOmics(executor="simulated", timings=Timings.fast()) as server:
            port = urlsplit(server.endpoint_url).port
            server.client("s3").create_bucket(Bucket="left-over")
            server.client("omics").create_run_group(name="left over")
        assert port is not None
        with LocalOmics(port=port, executor="simulated") as server:
            assert server.client("s3").list_buckets()["Buckets"] == []
            assert server.client("omics").list_run_groups()["items"] == []
            assert server.journal.counts["CreateRunGroup"] == 0


class TestBinding:
    @pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])
    def test_only_loopback_without_leave(self, host: str) -> None:
        with pytest.raises(ValueError, match="checks no credentials"):
            LocalOmics(host)

    def test_leave_is_given_with_a_warning(self, caplog: pytest.LogCaptureFixture) -> None:
        with LocalOmics("0.0.0.0", executor="simulated", allow_remote=True) as server:
            assert server.endpoint_url.startswith("http://0.0.0.0:")
        assert "checks no credentials" in caplog.text

    def test_an_endpoint_needs_a_started_server(self) -> None:
        server = LocalOmics()
        with pytest.raises(RuntimeError, match="not started"):
            _ = server.endpoint_url
        with server, pytest.raises(RuntimeError, match="started already"):
            server.start()


class TestAdmin:
    def test_health_counts_and_journal(self, server: LocalOmics, start_run: Start) -> None:
        run = start_run(requestId="r-1")
        assert admin(server, "GET", "health") == (200, {"status": "ok", "regions": ["us-east-1"]})
        _, counts = admin(server, "GET", "counts")
        assert counts["runs_created"] == 1
        assert (counts["calls"]["StartRun"], counts["effects"]["StartRun"]) == (1, 1)
        _, (call,) = admin(server, "GET", "journal?operation=StartRun")
        assert (call["request_id"], call["resource_id"], call["status"]) == ("r-1", run["id"], 201)

    def test_runs_lists_every_run_that_was_made(self, server: LocalOmics, omics: Any, start_run: Start) -> None:
        run = start_run(requestId="r-1", name="first", tags={"sample": "NA12878"})
        await_status(lambda: omics.get_run(id=run["id"]), "COMPLETED")
        omics.delete_run(id=run["id"])
        workflow = server.journal.calls("CreateWorkflow")[0].resource_id
        batch_id = omics.start_run_batch(
            requestId="b-1",
            defaultRunSetting={"workflowId": workflow, "roleArn": ROLE, "outputUri": "s3://results/runs"},
            batchRunSettings={"inlineSettings": [{"runSettingId": f"sample-{n}"} for n in range(2)]},
        )["id"]
        await_status(lambda: omics.get_batch(batchId=batch_id), "PROCESSED")
        status, (first, *others) = admin(server, "GET", "runs")
        assert status == 200
        assert first == {
            "run_id": run["id"],
            "uuid": run["uuid"],
            "name": "first",
            "tags": {"sample": "NA12878"},
            "batch_id": None,
            "run_setting_id": None,
            "request_id": "r-1",
            "status": "DELETED",
        }
        assert [(made["run_setting_id"], made["batch_id"], made["request_id"], made["status"]) for made in others] == [
            ("sample-0", batch_id, "b-1", "COMPLETED"),
            ("sample-1", batch_id, "b-1", "COMPLETED"),
        ]
        assert server.journal.runs_created == len(server.journal.runs()) == 3
        server.reset()
        assert admin(server, "GET", "runs") == (200, [])

    def test_faults_are_added_listed_and_removed(self, server: LocalOmics) -> None:
        status, rules = admin(server, "POST", "faults", {"kind": "throttle", "operation": "ListRuns", "count": 1})
        assert (status, rules[0]["struck"]) == (200, 0)
        with pytest.raises(ClientError, match="Throttling"):
            raw_client(server).list_runs()
        assert admin(server, "GET", "faults")[1][0]["struck"] == 1
        assert admin(server, "DELETE", "faults") == (200, [])
        assert raw_client(server).list_runs()["items"] == []

    @pytest.mark.parametrize(
        ("path", "body", "part"),
        [
            ("faults", {"kind": "explode"}, "explode"),
            ("faults", {"kind": "throttle", "colour": 1}, "colour"),
            ("settings", {"timings": {"colour": 1}}, "colour"),
            ("settings", {"timings": {"running_min": 9, "running_max": 1}}, "running_max"),
            ("clock", {"advance": 5}, "clock runs by itself"),
            ("rates", {}, "enforced"),
            ("faults", [], "JSON object"),
        ],
    )
    def test_a_mistake_is_named(self, server: LocalOmics, path: str, body: Any, part: str) -> None:
        status, answer = admin(server, "POST", path, body)
        assert status == 400
        assert part in answer["error"]

    def test_an_unknown_path_lists_the_known_ones(self, server: LocalOmics) -> None:
        status, answer = admin(server, "GET", "nothing")
        assert status == 404
        assert "GET /_local/health" in answer["error"]

    def test_rates_settings_state_and_reset(self, server: LocalOmics, start_run: Start) -> None:
        start_run()
        assert admin(server, "POST", "rates", {"enforced": True, "per_second": {"ListRuns": 1}})[0] == 200
        raw_client(server).list_runs()
        with pytest.raises(ClientError, match="Rate exceeded"):
            raw_client(server).list_runs()
        _, settings = admin(server, "POST", "settings", {"quotas": {"stored_runs": 1}})
        assert settings["quotas"]["stored_runs"] == 1
        with pytest.raises(ClientError, match="stored runs"):
            start_run()
        assert sum(admin(server, "GET", "state")[1]["us-east-1"]["runs"].values()) == 1
        assert admin(server, "POST", "reset") == (200, {})
        assert admin(server, "GET", "state")[1] == {}
        assert server.client("omics").list_workflows(type="PRIVATE")["items"] == []

    def test_the_clock_is_moved(self) -> None:
        with LocalOmics(executor="simulated", clock=ManualClock()) as server:
            omics = server.client("omics")
            workflow_id = omics.create_workflow(name="w", engine="WDL", definitionZip=wdl_zip())["id"]
            omics.list_runs()
            run_id = omics.start_run(workflowId=workflow_id, roleArn=ROLE, outputUri="s3://results/runs")["id"]
            assert admin(server, "POST", "clock", {"advance": 60})[0] == 200
            assert omics.get_run(id=run_id)["status"] == "COMPLETED"


class TestCommand:
    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "airflow_provider_omics.local.cli", *arguments]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_serves_until_it_is_stopped(self, tmp_path: Path, number: signal.Signals) -> None:
        ready = tmp_path / "endpoint"
        command = self.command("--port", "0", "--executor", "simulated", "--fast", "--ready-file", str(ready))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            deadline = time.monotonic() + 600
            while not ready.exists():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            endpoint = ready.read_text().strip()
            settings = urllib.request.Request(f"{endpoint}/_local/settings", data=b"{}", headers=ADMIN_HEADERS)
            with urllib.request.urlopen(settings) as response:
                assert json.load(response)["assumptions"]["waiters_see_running"] is True
            process.send_signal(number)
            out, err = process.communicate(timeout=600)
        finally:
            process.kill()
        assert process.returncode == 0
        assert err == ""
        assert f"AWS_ENDPOINT_URL={endpoint}" in out
        assert "AWS_DISABLE_HOST_PREFIX_INJECTION=true" in out
        assert "development server, bound to 127.0.0.1" in out
        assert not ready.exists()

    def test_a_port_that_is_taken_is_named(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            done = subprocess.run(self.command("--port", port), capture_output=True, text=True, check=False)
        assert done.returncode == 4
        assert f"port {port}" in done.stderr
        assert "choose another --port" in done.stderr

    @pytest.mark.parametrize(
        ("arguments", "part"),
        [
            (["--host", "0.0.0.0"], "--allow-remote"),
            (["--time-scale", "0"], "more than 0"),
            (["--port", "70000"], "0 to 65535"),
            (["--failure-share", "2"], "between 0 and 1"),
            (["--executor", "wdl"], "invalid choice"),
        ],
    )
    def test_wrong_arguments_are_named(self, arguments: list[str], part: str) -> None:
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert part in done.stderr

    def test_a_missing_extra_is_named(self) -> None:
        # A module that is None counts as not installed.
        hide = (
            "import sys\n"
            "sys.modules.update(moto=None, cwltool=None)\n"
            "from airflow_provider_omics.local.cli import main\n"
            "sys.exit(main(['--port', '0']))\n"
        )
        done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, check=False)
        assert done.returncode == 3
        assert "pip install 'airflow-provider-omics[local]'" in done.stderr


def test_the_fixture_serves_a_users_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os
        import boto3

        def test_dag(omics_local):
            assert boto3.client("omics").list_runs()["items"] == []
            assert os.environ["AIRFLOW_CONN_AWS_DEFAULT"] == omics_local.airflow_connection_uri()
            assert omics_local.journal.counts["ListRuns"] == 1

        def test_without_it():
            assert "AWS_ENDPOINT_URL" not in os.environ
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_the_fixtures_settings_can_be_overridden(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from airflow_provider_omics.local import ManualClock

        @pytest.fixture
        def omics_local_settings(omics_local_settings):
            return {**omics_local_settings, "clock": ManualClock()}

        def test_dag(omics_local):
            omics_local.advance(5)
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_the_plugin_loads_nothing_before_it_is_used() -> None:
    code = (
        "import sys, airflow_provider_omics.local.pytest_plugin\n"
        "assert not sys.modules.keys() & {'moto', 'airflow', 'boto3', 'botocore', 'werkzeug', 'cwltool'}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_local_package_needs_nothing_of_airflow() -> None:
    code = (
        "import sys, pkgutil, importlib, airflow_provider_omics.local as local\n"
        "for module in pkgutil.walk_packages(local.__path__, local.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
        "assert 'airflow' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
