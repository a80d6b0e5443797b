"""What runs need, checked before anything is submitted: as an operator, and as an option of those that start."""

from __future__ import annotations

import io
import json
import runpy
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from botocore.exceptions import ClientError
from cohorts import BUCKET, OUT, ROLE, CohortLab, cohort
from examples import example_files
from omics_service import make_configuration
from task_runs import TaskRun, run_task

from airflow_provider_omics.exceptions import OmicsPreflightError, OmicsRequestInvalidError, OmicsServiceError
from airflow_provider_omics.healthomics.api.calls import Request, run_with
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.local.quotas import Quotas
from airflow_provider_omics.operators.preflight import OmicsPreflightOperator
from airflow_provider_omics.operators.run import OmicsStartRunOperator
from airflow_provider_omics.preflight.plan import Plan
from airflow_provider_omics.preflight.quota import KEPT_RUNS, QuotaCheck

ACCOUNT, REGION = "123456789012", "us-east-1"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
ALLOW: dict[str, Any] = {"Effect": "Allow", "Principal": {"Service": "omics.amazonaws.com"}, "Action": PULL}
Told = Callable[[], str]


@pytest.fixture
def quotas() -> Quotas:
    return Quotas()


@pytest.fixture
def omics_local_settings(omics_local_settings: dict[str, Any], quotas: Quotas) -> dict[str, Any]:
    return {**omics_local_settings, "quotas": quotas}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


def preflight(**kwargs: Any) -> TaskRun:
    return run_task(OmicsPreflightOperator(task_id="preflight", **kwargs))


def start(lab: CohortLab, **kwargs: Any) -> TaskRun:
    arguments: dict[str, Any] = {
        "task_id": "start",
        "role_arn": ROLE,
        "output_uri": OUT,
        "waiter_delay": 0.02,
        **kwargs,
    }
    return run_task(OmicsStartRunOperator(workflow_id=lab.workflow_id, **arguments))


def refused(act: Callable[..., Any], *args: Any, **kwargs: Any) -> OmicsPreflightError:
    with pytest.raises(OmicsPreflightError) as caught:
        act(*args, **kwargs)
    return caught.value


def verdicts(run: TaskRun) -> list[tuple[str, str]]:
    return [(one["kind"], one["verdict"]) for one in run.result]


def deny(server: LocalOmics, operation: str, code: str = "AccessDeniedException") -> None:
    rule = FaultRule(kind=FaultKind.ERROR_BEFORE, operation=operation, count=None, code=code, http_status=400)
    server.faults.add(rule)


def wdl(*images: str) -> bytes:
    tasks = [f'task t{n} {{ command {{}} runtime {{ docker: "{image}" }} }}' for n, image in enumerate(images)]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("main.wdl", "\n".join(["version 1.0", "workflow w {}", *tasks]))
    return content.getvalue()


def repository(server: LocalOmics, name: str, *statements: dict[str, Any]) -> str:
    """Make a repository with an image, and with a policy of statements, if any; return the image's name."""
    ecr = server.client("ecr")
    ecr.create_repository(repositoryName=name)
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"})
    ecr.put_image(repositoryName=name, imageManifest=manifest, imageTag="1")
    if statements:
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        ecr.set_repository_policy(repositoryName=name, policyText=policy)
    return f"{REGISTRY}/{name}:1"


def test_nothing_is_found_where_all_is_good(lab: CohortLab, server: LocalOmics, told: Told) -> None:
    make_configuration(lab.omics, "vpc")
    lab.omics.create_workflow_version(workflowId=lab.workflow_id, versionName="v1", definitionZip=wdl())
    group = lab.omics.create_run_group(maxRuns=3, maxDuration=60)["id"]
    cache = lab.omics.create_run_cache(cacheS3Location=f"s3://{BUCKET}/cache")["id"]
    run = preflight(
        workflow_id=lab.workflow_id,
        workflow_version_name="v1",
        configuration_name="vpc",
        cache_id=cache,
        run_group_id=group,
        role_arn=ROLE,
        output_uri=OUT,
        runs=5,
    )
    assert run.result == []
    text = told()
    assert f"workflow {lab.workflow_id} is ACTIVE" in text
    assert f"version v1 of workflow {lab.workflow_id} is ACTIVE" in text
    assert "3 runs at a time, 60 minutes for a run" in text
    assert "2 of 5 runs wait as PENDING at first" in text
    assert "0 of 100,000 runs are kept; 5 more have room" in text
    # What was written to find out is gone.
    assert not any("write-test" in key for key in lab.objects())


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "workflow": ({"workflow_id": "9999999"}, "there is no workflow 9999999 in us-east-1"),
    "configuration": ({"configuration_name": "none"}, "there is no configuration none"),
    "cache": ({"cache_id": "9999999"}, "there is no run cache 9999999"),
    "run_group": ({"run_group_id": "9999999"}, "there is no run group 9999999"),
    "output": ({"output_uri": "s3://nowhere-at-all/out"}, "there is no bucket nowhere-at-all"),
    "role": ({"role_arn": "arn:aws:iam::210987654321:role/omics"}, "the role is of account 210987654321"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_missing_is_refused_or_logged_or_left_alone(lab: CohortLab, told: Told, kind: str) -> None:
    arguments, text = BAD[kind]
    error = refused(preflight, **arguments)
    assert [finding.kind for finding in error.findings] == [kind]
    assert text in error.message()
    assert isinstance(error, AirflowFailException)
    assert (kind, "bad") in verdicts(preflight(**arguments, preflight={kind: "warn", "*": "off"}))
    assert text in told()
    assert preflight(**arguments, preflight={kind: "off"}).result == []


def test_all_that_is_wrong_is_said_at_once(lab: CohortLab) -> None:
    arguments: dict[str, Any] = {}
    for given, _ in BAD.values():
        arguments |= given
    error = refused(preflight, **arguments)
    lines = error.message().splitlines()
    assert lines[0] == "Preflight: nothing was submitted, since the preflight found 6 problems."
    for (_, text), line in zip(BAD.values(), lines[1:], strict=True):
        assert line.startswith("- ")
        assert text in line


def test_a_workflow_that_is_not_active_yet_may_be_tried_again(server: LocalOmics, lab: CohortLab) -> None:
    server.account(REGION).workflows[lab.workflow_id].status = "CREATING"
    error = refused(preflight, workflow_id=lab.workflow_id)
    assert "is CREATING. Wait until it is ACTIVE" in error.message()
    assert not isinstance(error, AirflowFailException)


def test_a_name_that_stands_for_no_workflow_is_one_of_the_problems(lab: CohortLab) -> None:
    error = refused(preflight, workflow_name="nobody", cache_id="9999999")
    assert [finding.kind for finding in error.findings] == ["workflow", "cache"]
    assert preflight(workflow_name="workflow").result == []


def test_a_bucket_of_another_region_is_refused(lab: CohortLab, server: LocalOmics) -> None:
    server.client("s3", region_name="eu-west-1").create_bucket(
        Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    error = refused(preflight, output_uri="s3://far-away/out")
    assert "bucket far-away is in eu-west-1, and the runs are in us-east-1" in error.message()


def test_a_bucket_that_only_the_connection_may_not_write_to_is_unknown(lab: CohortLab, server: LocalOmics) -> None:
    # The service role writes outputs; a worker needs no right to.
    deny(server, "s3:PUT", "AccessDenied")
    run = preflight(output_uri=OUT)
    assert verdicts(run) == [("output", "unknown")]
    assert "nothing can be written to" in run.result[0]["what"]
    assert "s3:PutObject" in run.result[0]["fix"]
    assert "the service role may write there" in run.result[0]["fix"]


UNKNOWN = {
    "GetWorkflow": {"workflow_id": "1234567"},
    "GetConfiguration": {"configuration_name": "vpc"},
    "GetRunCache": {"cache_id": "1234567"},
    "GetRunGroup": {"run_group_id": "1234567"},
    "ListRuns": {"runs": 5},
    "servicequotas:ListServiceQuotas": {"runs": 5},
}


@pytest.mark.parametrize("operation", UNKNOWN)
def test_what_may_not_be_asked_is_unknown_and_only_warns(
    lab: CohortLab, server: LocalOmics, told: Told, operation: str
) -> None:
    deny(server, operation)
    run = preflight(**UNKNOWN[operation])
    assert {one["verdict"] for one in run.result} == {"unknown"}
    name = operation.rpartition(":")[2]
    assert f"could not be checked: {name} came to AccessDeniedException" in told()
    prefix = operation.partition(":")[0] if ":" in operation else "omics"
    assert f"Let the caller use {prefix}:{name}" in run.result[0]["fix"]
    assert "could not be checked" in refused(preflight, **UNKNOWN[operation], preflight={"unknown": "fail"}).message()


def test_missing_quotas_are_said_once_and_the_published_ones_taken(
    lab: CohortLab, server: LocalOmics, told: Told
) -> None:
    deny(server, "servicequotas:ListServiceQuotas")
    run = preflight(runs=60, storage_type="DYNAMIC")
    assert verdicts(run) == [("quota", "unknown")]
    assert "published defaults are taken" in run.result[0]["what"]
    text = told()
    assert "0 of 100,000 runs are kept" in text
    assert "at most 50 (DYNAMIC storage) run at a time" in text


@pytest.mark.parametrize(
    "answer", [None, {}, {"Quotas": [{"QuotaCode": KEPT_RUNS}]}], ids=["denied", "none", "no value"]
)
def test_no_room_beside_the_published_quota_alone_is_unknown(answer: dict[str, Any] | None) -> None:
    # An account that keeps more runs than are published has had its quota raised.
    def answered(request: Request) -> Any:
        if request.operation == "ListServiceQuotas":
            if answer is None:
                raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "ListServiceQuotas")
            return answer
        if request.operation == "GetRun":
            return {"retentionMode": "RETAIN"}
        return {"items": [{"id": str(number)} for number in range(100)], "nextToken": "more"}

    found = run_with(answered, QuotaCheck().requests(Plan(REGION, {}, 5)))
    assert "bad" not in [finding.verdict for finding in found]
    (room,) = (finding for finding in found if finding.issue.where == "kept runs")
    assert "beside at least 100,000 runs" in room.issue.what
    assert "the account's own may be more" in room.issue.what


@pytest.mark.parametrize("quotas", [Quotas(stored_runs=3)])
def test_a_cohort_that_finds_no_room_is_refused_unless_runs_give_way(lab: CohortLab) -> None:
    assert start(lab).result
    assert preflight(runs=2).result == []
    error = refused(preflight, runs=3)
    assert "the quota is 3, of which at most 2 are free, and none of 1 runs" in error.message()
    assert "retention_mode REMOVE" in error.message()
    assert not isinstance(error, AirflowFailException)
    assert preflight(runs=3, retention_mode="REMOVE").result == []
    assert start(lab, task_id="another", retention_mode="REMOVE").result
    run = preflight(runs=2)
    assert verdicts(run) == [("quota", "unknown")]
    assert "1 of 2 runs that were asked for give way" in run.result[0]["what"]


def test_images_are_there_and_healthomics_may_pull_them(
    lab: CohortLab, server: LocalOmics, make_workflow: Callable[..., str]
) -> None:
    good = repository(server, "good", ALLOW)
    mute = repository(server, "mute")
    denied = repository(server, "denied", ALLOW, {**ALLOW, "Effect": "Deny"})
    short = repository(server, "short", {**ALLOW, "Action": PULL[:1]})
    tied = repository(server, "tied", {**ALLOW, "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}})
    far = good.replace(REGION, "eu-west-1")
    none, untagged = f"{REGISTRY}/none:1", good.replace(":1", ":2")
    names = (good, mute, denied, short, tied, far, none, untagged, "quay.io/biocontainers/fastp:0.23")
    error = refused(preflight, workflow_id=make_workflow(definitionZip=wdl(*names)), preflight={"images": "fail"})
    lines = error.message()
    assert len(error.findings) == 6
    assert f"repository mute of {ACCOUNT}: has no policy" in lines
    assert f"repository denied of {ACCOUNT}: its policy does not let omics.amazonaws.com pull" in lines
    assert f"repository short of {ACCOUNT}: its policy does not let omics.amazonaws.com pull" in lines
    assert f"{far} is in eu-west-1, and the runs are in us-east-1" in lines
    assert f"account {ACCOUNT} has no repository none in us-east-1" in lines
    assert f"{untagged}: repository good has no such image" in lines
    found = preflight(workflow_id=make_workflow(definitionZip=wdl(*names)), preflight="warn").result
    unknown = [one["what"] for one in found if one["verdict"] == "unknown"]
    assert len(unknown) == 2
    assert "quay.io/biocontainers/fastp:0.23" in unknown[0]
    assert "only under conditions" in unknown[1]
    assert preflight(workflow_id=make_workflow(definitionZip=wdl(good))).result == []


def test_a_container_registry_map_leads_to_images(
    lab: CohortLab, server: LocalOmics, make_workflow: Callable[..., str]
) -> None:
    repository(server, "quay/biocontainers/fastp", ALLOW)
    mapping = {"upstreamRegistryUrl": "quay.io", "ecrRepositoryPrefix": "quay"}
    workflow_id = make_workflow(
        definitionZip=wdl("quay.io/biocontainers/fastp:1", "quay.io/biocontainers/bwa:1"),
        containerRegistryMap={"registryMappings": [mapping]},
    )
    # The first pull makes the repository.
    run = preflight(workflow_id=workflow_id)
    assert verdicts(run) == [("images", "unknown")]
    assert run.result[0]["where"] == f"{REGISTRY}/quay/biocontainers/bwa:1"
    assert "the first pull through the cache" in run.result[0]["what"]
    images = [{"sourceImage": "docker.io/library/bwa:1", "destinationImage": f"{REGISTRY}/own/bwa:1"}]
    copied = make_workflow(definitionZip=wdl("docker.io/library/bwa:1"), containerRegistryMap={"imageMappings": images})
    assert "no repository own/bwa" in refused(preflight, workflow_id=copied).message()


def test_images_that_may_not_be_asked_for_are_unknown(
    lab: CohortLab, server: LocalOmics, make_workflow: Callable[..., str]
) -> None:
    workflow_id = make_workflow(definitionZip=wdl(f"{REGISTRY}/bwa:1", f"{REGISTRY}/fastp:1"))
    deny(server, "ecr:DescribeImages")
    run = preflight(workflow_id=workflow_id)
    # Not once for each image.
    assert verdicts(run) == [("images", "unknown")]


def test_images_of_an_account_that_refuses_hide_no_problem_of_another(
    lab: CohortLab, server: LocalOmics, make_workflow: Callable[..., str]
) -> None:
    other = f"000000000001.dkr.ecr.{REGION}.amazonaws.com"
    far = "000000000001.dkr.ecr.us-west-2.amazonaws.com"
    images = (f"{other}/bwa:1", f"{other}/fastp:1", f"{far}/bwa:1", f"{REGISTRY}/none:1")
    workflow_id = make_workflow(definitionZip=wdl(*images))
    denied = FaultRule(
        kind=FaultKind.ERROR_BEFORE,
        operation="ecr:DescribeImages",
        count=1,
        code="AccessDeniedException",
        http_status=400,
    )
    server.faults.add(denied)
    found = preflight(workflow_id=workflow_id, preflight="warn").result
    assert [(one["verdict"], one["where"]) for one in found] == [
        ("unknown", f"{other}/bwa:1"),
        ("bad", f"{far}/bwa:1"),
        ("bad", f"{REGISTRY}/none:1"),
    ]


def test_a_call_that_is_no_matter_of_permissions_says_so(lab: CohortLab, make_workflow: Callable[..., str]) -> None:
    # A name that is too short for ECR is refused by the client, and hides no other image of the account.
    workflow_id = make_workflow(definitionZip=wdl(f"{REGISTRY}/a:1", f"{REGISTRY}/none:1"))
    short, missing = preflight(workflow_id=workflow_id, preflight="warn").result
    assert "ParamValidationError" in short["what"]
    assert short["fix"].startswith("Correct the value that the message names")
    assert (missing["verdict"], missing["where"]) == ("bad", f"{REGISTRY}/none:1")


def test_a_run_that_is_run_again_lends_what_it_had(lab: CohortLab, server: LocalOmics) -> None:
    run_id = start(lab).result
    assert preflight(run_id=run_id).result == []
    lab.omics.delete_workflow(id=lab.workflow_id)
    assert f"no workflow {lab.workflow_id}" in refused(preflight, run_id=run_id).message()
    assert "no run 9999999" in refused(preflight, run_id="9999999").message()


def test_inputs_are_looked_for_too(lab: CohortLab) -> None:
    parameters = {"reads": f"s3://{BUCKET}/none.fq.gz"}
    with pytest.raises(OmicsRequestInvalidError):
        preflight(parameters=parameters, check_inputs="fail")
    error = refused(preflight, parameters=parameters, check_inputs="fail", cache_id="9999999")
    assert [finding.kind for finding in error.findings] == ["cache", "inputs"]


def test_a_connection_without_use_fails(lab: CohortLab) -> None:
    with pytest.raises(OmicsServiceError):
        preflight(workflow_id=lab.workflow_id, aws_conn_id="nobody")


def test_a_run_that_would_go_wrong_is_not_started(lab: CohortLab, told: Told) -> None:
    wrong: dict[str, Any] = {"run_group_id": "9999999", "cache_id": "9999999"}
    error = refused(start, lab, **wrong, preflight="fail")
    assert error.message().startswith("StartRun: nothing was submitted, since the preflight found 2 problems.")
    assert lab.calls("StartRun") == 0
    with pytest.raises(OmicsServiceError):
        start(lab, **wrong, preflight="warn")
    assert lab.calls("StartRun") == 1
    assert "there is no run group 9999999" in told()
    assert start(lab, preflight='{"*": "fail", "images": "off"}').result
    assert start(lab, task_id="cached", cache="auto", preflight="fail").result
    missing = {"reads": f"s3://{BUCKET}/none.fq.gz"}
    error = refused(start, lab, **wrong, preflight="fail", check_inputs="fail", parameters=missing)
    assert [finding.kind for finding in error.findings] == ["cache", "run_group", "inputs"]


@pytest.mark.parametrize("quotas", [Quotas(stored_runs=3)])
def test_a_cohort_that_would_go_wrong_is_not_started(lab: CohortLab) -> None:
    error = refused(lab.run, cohort(4), preflight="fail", run_group_id="9999999")
    assert error.message().startswith("StartRunBatch: nothing was submitted, since the preflight found 2 problems.")
    assert [finding.kind for finding in error.findings] == ["run_group", "quota"]
    assert lab.calls("StartRunBatch") == 0
    assert lab.run(cohort(3), preflight="fail").result


def test_nothing_is_asked_unless_it_is_wanted(lab: CohortLab) -> None:
    before = lab.calls("GetWorkflow")
    assert start(lab).result
    assert start(lab, task_id="another", preflight="off").result
    assert lab.calls("GetWorkflow") == before


@pytest.mark.parametrize("value", ["loud", {"workflow": "loud"}, {"weather": "warn"}, 3])
def test_a_level_that_is_none_is_refused_when_the_dag_is_parsed(value: Any) -> None:
    with pytest.raises(OmicsRequestInvalidError, match="preflight"):
        OmicsPreflightOperator(task_id="preflight", preflight=value)


def test_the_example_checks_before_and_right_before(lab: CohortLab, server: LocalOmics) -> None:
    (example,) = (path for path in example_files() if path.stem == "example_omics_preflight")

    def check() -> TaskRun:
        return run_task(runpy.run_path(str(example))["dag"].get_task("check"), params=params)

    lab.omics.update_workflow(id=lab.workflow_id, name="read-qc")
    lab.omics.create_workflow_version(workflowId=lab.workflow_id, versionName="v1", definitionZip=wdl())
    sheet = f"s3://{BUCKET}/cohort.csv"
    server.client("s3").put_object(Bucket=BUCKET, Key="cohort.csv", Body="sample,fastq_1\na,s3://none/a.fastq\n")
    params = {"workflow_name": "read-qc", "role_arn": ROLE, "output_uri": OUT, "sheet": sheet, "samples": 5000}
    assert check().result == []
    params["output_uri"] = "s3://nowhere/runs"
    assert "output" in {finding.kind for finding in refused(check).findings}
