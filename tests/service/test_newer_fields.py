"""Fields of the API that the installed botocore does not know are sent, kept and acted on from their first day."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import botocore
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from botocore.exceptions import ParamValidationError
from cohorts import BUCKET, CohortLab, cohort, instance
from omics_errors import raises
from omics_service import ROLE, await_status
from task_runs import TaskRun, run_task

from airflow_provider_omics.exceptions import OmicsRequestInvalidError, OmicsRunFailedError
from airflow_provider_omics.healthomics.api.failures import FailureClass, Owner
from airflow_provider_omics.hooks.omics import OmicsHook
from airflow_provider_omics.local import LocalOmics, SimulatedOutcomes
from airflow_provider_omics.local.workflows.catalogue import share_workflow
from airflow_provider_omics.operators.run import OmicsStartRunOperator

MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "deferred"])
PARAMETERS = {"reads": "s3://in/reads.fastq.gz", "threads": 4}
FILE = "s3://inputs/parameters.json"


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any]) -> dict[str, Any]:
    return {**omics_local_settings, "outcomes": SimulatedOutcomes(outputs={"out/result.txt": b"result"})}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    s3 = omics_local.client("s3")
    for bucket in ("inputs", "results"):
        s3.create_bucket(Bucket=bucket)
    return omics_local


@pytest.fixture
def workflow_id(server: LocalOmics, make_workflow: Callable[..., str]) -> str:
    return make_workflow(parameterTemplate={"reads": {"optional": False}, "threads": {"optional": True}})


def put_parameters(server: LocalOmics, content: Any) -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    server.client("s3").put_object(Bucket="inputs", Key="parameters.json", Body=body)


def start(workflow_id: str, **kwargs: Any) -> TaskRun:
    arguments = {"role_arn": ROLE, "output_uri": "s3://results/out/", "waiter_delay": 0.02, **kwargs}
    return run_task(OmicsStartRunOperator(task_id="start_run", workflow_id=workflow_id, **arguments))


def request(workflow_id: str, **members: Any) -> dict[str, Any]:
    return {"workflowId": workflow_id, "roleArn": ROLE, "outputUri": "s3://results/out", **members}


MEMBERS = {"outputUriPrefixMode": "NONE_WITH_OVERWRITE", "parametersUri": FILE, "requesterPaysEnabled": True}


class TestClients:
    def check(self, server: LocalOmics, run: dict[str, Any]) -> None:
        assert {name: run[name] for name in MEMBERS} == MEMBERS
        (call,) = server.journal.calls("StartRun")
        assert call.error is None

    def test_the_hooks_client_sends_and_reads_them(self, server: LocalOmics, workflow_id: str) -> None:
        client = OmicsHook().conn
        run_id = client.start_run(**request(workflow_id, **MEMBERS))["id"]
        self.check(server, client.get_run(id=run_id))

    @pytest.mark.parametrize("role", [None, "arn:aws:iam::123456789012:role/caller"], ids=["keys", "assumed role"])
    def test_clients_of_a_connection_that_assumes_a_role_send_them_too(
        self, server: LocalOmics, workflow_id: str, monkeypatch: pytest.MonkeyPatch, role: str | None
    ) -> None:
        extra = {**server.connection_extra(), **({"role_arn": role} if role else {})}
        login = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(login))
        sent = request(workflow_id, **MEMBERS)

        async def start_and_get() -> Any:
            async with await OmicsHook().make_async_client() as client:
                run_id = (await client.start_run(**sent))["id"]
                return await client.get_run(id=run_id)

        self.check(server, asyncio.run(start_and_get()))
        run_id = OmicsHook().conn.start_run(**sent)["id"]
        assert OmicsHook().conn.get_run(id=run_id)["outputUriPrefixMode"] == "NONE_WITH_OVERWRITE"

    def test_a_client_of_someone_elses_is_what_botocore_makes_of_it(self, server: LocalOmics, workflow_id: str) -> None:
        OmicsHook().conn.list_runs()
        path = Path(botocore.__file__).with_name("data") / "omics" / "2022-11-28" / "service-2.json.gz"
        installed = json.loads(gzip.decompress(path.read_bytes()))["shapes"]["StartRunRequest"]["members"]
        theirs = boto3.Session().client("omics")
        assert set(theirs.meta.service_model.operation_model("StartRun").input_shape.members) == set(installed)
        if "parametersUri" not in installed:
            with pytest.raises(ParamValidationError, match="parametersUri"):
                theirs.start_run(**request(workflow_id, parametersUri=FILE))


@MODES
def test_parameters_come_from_a_file(server: LocalOmics, workflow_id: str, deferrable: bool) -> None:
    put_parameters(server, PARAMETERS)
    task = start(workflow_id, parameters_uri=FILE, requester_pays_enabled="True", deferrable=deferrable)
    run = server.client("omics").get_run(id=task.result)
    assert (run["status"], run["requesterPaysEnabled"]) == ("COMPLETED", True)
    assert "parameters" not in run
    # The service shows its own copy, not the file that was given.
    assert run["parametersUri"].startswith(server.endpoint_url)
    assert server.account().runs[task.result].request["parameters"] == PARAMETERS


def test_before_the_file_is_read_the_run_shows_where_it_is(server: LocalOmics, workflow_id: str) -> None:
    omics = server.client("omics")
    server.change(timings={"pending": 3600.0})
    run_id = omics.start_run(**request(workflow_id, parametersUri=FILE))["id"]
    run = omics.get_run(id=run_id)
    assert (run["parametersUri"], run["outputUriPrefixMode"], run["requesterPaysEnabled"]) == (
        FILE,
        "SERVICE_DEFINED",
        False,
    )


@MODES
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read"),
        (b"{'reads': 1}", "is not JSON"),
        (["reads"], "is not a JSON object but list"),
        ({"threads": 4}, "Missing required parameters: reads"),
        ({**PARAMETERS, "raeds": 1}, "Parameters not in the parameter template: raeds"),
    ],
    ids=["no file", "no JSON", "no object", "missing", "unknown"],
)
def test_a_file_that_is_not_valid_fails_the_run_and_no_retry_mends_it(
    server: LocalOmics, workflow_id: str, content: Any, why: str, deferrable: bool
) -> None:
    if content is not None:
        put_parameters(server, content)
    with raises(OmicsRunFailedError, match="INVALID_RUN_PARAMETERS") as caught:
        start(workflow_id, parameters_uri=FILE, deferrable=deferrable)
    assert why in caught.value.message()
    assert "Correct the file that parameters_uri names" in caught.value.message()
    assert isinstance(caught.value, AirflowFailException)
    (run,) = server.client("omics").list_runs()["items"]
    described = server.client("omics").get_run(id=run["id"])
    assert (described["parametersUri"], described["failureReason"]) == (FILE, "INVALID_RUN_PARAMETERS")


def test_outputs_land_where_the_prefix_mode_says(server: LocalOmics, workflow_id: str) -> None:
    s3 = server.client("s3")
    for _again in range(2):
        task = start(workflow_id, parameters=PARAMETERS, output_uri_prefix_mode="NONE_WITH_OVERWRITE")
        assert task.ti.xcoms["run_output_uri"] == "s3://results/out"
        s3.put_object(Bucket="results", Key="out/out/result.txt", Body=b"of someone else")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="results")["Contents"]]
    assert sorted(keys) == ["out/logs/engine.log", "out/logs/outputs.json", "out/out/result.txt"]


def test_the_last_run_overwrites_and_a_prefix_of_its_own_is_the_default(server: LocalOmics, workflow_id: str) -> None:
    s3 = server.client("s3")
    s3.put_object(Bucket="results", Key="out/out/result.txt", Body=b"old")
    task = start(workflow_id, parameters=PARAMETERS)
    assert task.ti.xcoms["run_output_uri"] == f"s3://results/out/{task.result}"
    assert s3.get_object(Bucket="results", Key="out/out/result.txt")["Body"].read() == b"old"
    start(workflow_id, parameters=PARAMETERS, output_uri_prefix_mode="NONE_WITH_OVERWRITE")
    assert s3.get_object(Bucket="results", Key="out/out/result.txt")["Body"].read() == b"result"


def test_a_run_that_is_run_again_takes_its_file_or_what_is_given_instead(server: LocalOmics, workflow_id: str) -> None:
    put_parameters(server, PARAMETERS)
    omics = server.client("omics")
    first = omics.start_run(**request(workflow_id, parametersUri=FILE))["id"]
    await_status(lambda: omics.get_run(id=first), "COMPLETED")
    again = {"runId": first, "roleArn": ROLE, "outputUri": "s3://results/out"}
    same = omics.start_run(**again)["id"]
    await_status(lambda: omics.get_run(id=same), "COMPLETED")
    assert "parametersUri" in omics.get_run(id=same)
    other = omics.start_run(**again, parameters={"reads": "s3://in/other"})["id"]
    described = omics.get_run(id=other)
    assert described["parameters"] == {"reads": "s3://in/other"}
    assert "parametersUri" not in described


@pytest.mark.parametrize(
    ("arguments", "where", "what", "fix"),
    [
        (
            {"parameters": {}, "parameters_uri": FILE},
            "parameters_uri",
            f"both parameters and parameters_uri {FILE} are given",
            "put all of them into the file",
        ),
        ({"parameters_uri": "s3://inputs/folder/"}, "parameters_uri", "not the S3 URI of an object", "parameters.json"),
        (
            {"parameters_uri": "/data/parameters.json"},
            "parameters_uri",
            "not the S3 URI of an object",
            "s3://my-bucket",
        ),
        ({"parameters_uri": "s3://inputs/" + "x" * 1082}, "parameters_uri", "1094 characters", "at most 1093"),
        (
            {"output_uri_prefix_mode": "NONE"},
            "output_uri_prefix_mode",
            "'NONE'",
            "SERVICE_DEFINED, NONE_WITH_OVERWRITE",
        ),
        ({"requester_pays_enabled": "yes"}, "requester_pays_enabled", "is str 'yes'", "true or false"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_values_are_refused_before_anything_is_sent(
    server: LocalOmics, workflow_id: str, arguments: dict[str, Any], where: str, what: str, fix: str
) -> None:
    server.journal.clear()
    with pytest.raises(OmicsRequestInvalidError) as caught:
        start(workflow_id, **arguments)
    issues = [issue for issue in caught.value.issues if issue.where == where]
    assert any(what in issue.what and fix in issue.fix for issue in issues), [str(issue) for issue in issues]
    assert server.journal.calls() == []


def test_the_service_refuses_parameters_that_are_given_twice(server: LocalOmics, workflow_id: str) -> None:
    omics = server.client("omics")
    with pytest.raises(omics.exceptions.ValidationException, match="either parameters or parametersUri"):
        omics.start_run(**request(workflow_id, parametersUri=FILE, parameters=PARAMETERS))


@pytest.mark.parametrize(
    ("code", "failure_class", "owner"),
    [
        ("ALL_PROFILES_INSTANCE_RESERVATION_FAILED", FailureClass.TRANSIENT, Owner.SERVICE),
        ("INVALID_RUN_PARAMETERS", FailureClass.INPUT, Owner.DATA),
    ],
)
def test_the_newest_failure_codes_say_who_can_act(
    server: LocalOmics, workflow_id: str, code: str, failure_class: FailureClass, owner: Owner
) -> None:
    with raises(OmicsRunFailedError, match=code) as caught:
        start(workflow_id, parameters=PARAMETERS, tags={"omics-local:outcome": code})
    assert (caught.value.failure_class, isinstance(caught.value, AirflowFailException)) == (
        failure_class,
        not failure_class.retry_may_help,
    )
    assert str(owner) in caught.value.message()


class TestBatches:
    @pytest.fixture
    def lab(self, omics_local: LocalOmics, make_workflow: Callable[..., str]) -> CohortLab:
        return CohortLab(omics_local, make_workflow())

    def test_every_run_of_a_batch_may_read_from_requester_pays(self, lab: CohortLab) -> None:
        task = lab.run(cohort(2), requester_pays_enabled="{{ 1 == 1 }}")
        batch = lab.omics.get_batch(batchId=task.result)
        assert batch["defaultRunSetting"]["requesterPaysEnabled"] is True
        runs = lab.omics.list_runs(batchId=task.result)["items"]
        assert [lab.omics.get_run(id=run["id"])["requesterPaysEnabled"] for run in runs] == [True, True]

    @pytest.mark.parametrize(
        ("member", "value"), [("parametersUri", f"s3://{BUCKET}/p.json"), ("outputUriPrefixMode", "SERVICE_DEFINED")]
    )
    def test_what_only_single_runs_know_is_refused(self, lab: CohortLab, member: str, value: str) -> None:
        for arguments in (
            {"default_run_setting": {member: value}},
            {"run_settings": [{"runSettingId": "A", member: value}]},
        ):
            with raises(OmicsRequestInvalidError, match=f"{member}: cannot be .* batch") as caught:
                lab.run(**{"run_settings": cohort(1), **arguments})
            assert "start single runs" in caught.value.message()
        assert lab.calls("StartRunBatch") == 0

    def test_parameters_are_compared_with_those_of_the_chosen_profile(self, lab: CohortLab) -> None:
        templates = {"gpu": {"bam": {}, "model": {}}}
        with lab.state.lock:
            shared = {"parameter_template": {"bam": {}}, "profile_parameter_templates": templates, "engine": "NEXTFLOW"}
            share_workflow(lab.state, "77", lab.state.account, name="shared", **shared)
        samples = [
            {"runSettingId": "A", "parameters": {"bam": 1, "model": 1}},
            {"runSettingId": "B", "parameters": {"bam": 1}},
        ]
        with raises(OmicsRequestInvalidError, match="with profile gpu and missing in 1 of 2") as caught:
            lab.run(samples, workflow_id="77", engine_settings={"profile": "gpu"})
        assert [issue.where for issue in caught.value.issues] == ["parameters.model"]
        assert lab.calls("StartRunBatch") == 0
        samples[1]["engineSettings"] = {"outputFormat": "json"}
        task = lab.run(samples, workflow_id="77", engine_settings={"profile": "gpu"})
        assert task.ti.xcoms["batch_summary"]["completed"] == 2
        # The service compares them too, sample by sample.
        samples[1].pop("engineSettings")
        unchecked = lab.fail(
            samples,
            instance(run_id="2"),
            workflow_id="77",
            engine_settings={"profile": "gpu"},
            validate_parameters=False,
        )
        assert lab.column(unchecked.ti, "submission_failure_reason") == ["", "ValidationException"]
