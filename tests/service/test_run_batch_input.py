"""What OmicsStartRunBatchOperator is given: read from everywhere, rendered, and refused before anything is sent."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from cohorts import BUCKET, MODES, OUT, ROLE, CohortLab, cohort, instance
from omics_errors import raises, unwrapped
from omics_service import wdl_zip
from task_runs import run_task

from airflow_provider_omics.exceptions import OmicsRequestInvalidError, OmicsServiceError
from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.operators.batch import OmicsStartRunBatchOperator

TEMPLATE = {"bam": {"description": "reads"}, "reference": {"optional": True}}


@pytest.fixture
def server(omics_local: LocalOmics) -> LocalOmics:
    """Airflow's connection leads to the server of the shared fixtures."""
    return omics_local


# What is wrong, and how the message names it.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"role_arn": None}, "role_arn"),
    ({"output_uri": "results/out"}, "output_uri"),
    ({"output_uri": None}, "output_uri: is missing"),
    ({"workflow_id": None}, "workflow_id"),
    ({"workflow_type": "READY2RUN"}, "workflow_type: READY2RUN is not possible in a batch"),
    ({"storage_type": "ELASTIC"}, "storage_type"),
    ({"storage_type": "DYNAMIC", "storage_capacity": 1200}, "storage_capacity"),
    ({"cache_behavior": "CACHE_ALWAYS"}, "cache_behavior"),
    ({"run_tags": {f"t{n}": "" for n in range(51)}}, "run_tags"),
    ({"tags": {f"t{n}": "" for n in range(44)}}, "tags"),
    ({"batch_tags": {f"t{n}": "" for n in range(44)}}, "batch_tags: has 44 tags"),
    ({"parameters": {"x": "y" * 256_000}}, "parameters"),
    ({"batch_name": "n" * 65}, "batch_name"),
    ({"request_id": "r" * 129}, "request_id"),
    ({"default_run_setting": {"runId": "1"}}, "runId: cannot be used in a batch"),
    ({"default_run_setting": {"noSuchMember": 1}}, "noSuchMember: is not a member"),
    ({"run_settings": []}, "run_settings: has no run settings"),
    ({"run_settings": None}, "run_settings: is missing"),
    (
        {"run_settings": [{"runSettingId": "a"}, {"runSettingId": "a"}]},
        "run_settings[1].runSettingId: 'a' is the id of",
    ),
    ({"run_settings": [{"run_setting_id": "a"}]}, "Write it as runSettingId"),
    ({"run_settings": "nowhere.csv"}, "'nowhere.csv' is no file here"),
    ({"settings_uri": "cohort"}, "settings_uri: 'cohort' is not an S3 URI"),
    ({"results_uri": "/tmp/results.csv"}, "results_uri: '/tmp/results.csv' is not an S3 URI"),
    ({"tolerated_failure_count": -1}, "tolerated_failure_count: is -1"),
    ({"tolerated_failure_percentage": 101}, "tolerated_failure_percentage: is 101"),
    ({"redrive_attempts": "two"}, "redrive_attempts: is 'two'"),
    ({"failure_lookup_limit": -1}, "failure_lookup_limit: is -1"),
    ({"runs_limit": None}, "runs_limit: is None"),
    ({"waiter_delay": 0}, "waiter_delay"),
]


def test_bad_input_is_refused_before_anything_is_sent_and_not_retried(lab: CohortLab) -> None:
    before = len(lab.server.journal.calls())
    for wrong, named in WRONG:
        arguments = {"run_settings": cohort(2), "validate_parameters": False, **wrong}
        with pytest.raises(OmicsRequestInvalidError) as caught:
            lab.run(arguments.pop("run_settings"), **arguments)
        assert isinstance(caught.value, AirflowFailException)
        assert named in caught.value.message(), wrong
    assert len(lab.server.journal.calls()) == before
    assert lab.objects() == {}


def test_everything_that_is_wrong_with_samples_is_told_at_once(lab: CohortLab) -> None:
    broken = [{"runSettingId": ""}, {"runSettingId": "b", "priority": "high"}, {"runSettingId": "c", "cacheId": "1"}]
    with pytest.raises(OmicsRequestInvalidError) as caught:
        lab.run(broken)
    assert len(caught.value.issues) == 3
    for part in ("run_settings[0].runSettingId: is empty", "run_settings[1].priority", "cache_id, for all runs"):
        assert part in caught.value.message()
    assert lab.calls("StartRunBatch") == 0


SHEET = "sample,bam\nNA1,s3://in/1\nNA2,s3://in/2\n"
ENTRIES = [{"runSettingId": f"NA{n}", "parameters": {"bam": f"s3://in/{n}"}} for n in (1, 2)]
FILES: dict[str, str] = {
    "cohort.csv": SHEET,
    "cohort.tsv": SHEET.replace(",", "\t"),
    "cohort.json": json.dumps(ENTRIES),
    "cohort.jsonl": "\n".join(json.dumps(entry) for entry in ENTRIES),
    "cohort.csv.gz": SHEET,
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", ["s3", "file"])
def test_samples_are_read_from_every_kind_of_file(lab: CohortLab, tmp_path: Path, name: str, place: str) -> None:
    content = FILES[name].encode()
    content = gzip.compress(content) if name.endswith(".gz") else content
    given = f"s3://{BUCKET}/in/{name}" if place == "s3" else str(tmp_path / name)
    if place == "s3":
        lab.s3.put_object(Bucket=BUCKET, Key=f"in/{name}", Body=content)
    else:
        (tmp_path / name).write_bytes(content)
    column = "sample" if "sv" in name else None
    task = lab.run(given, run_setting_id_column=column)
    runs = {run.run_setting_id: run.request["parameters"] for run in lab.state.runs_of_batch(task.result)}
    assert runs == {"NA1": {"bam": "s3://in/1"}, "NA2": {"bam": "s3://in/2"}}
    assert lab.column(task.ti, "run_setting_id") == ["NA1", "NA2"]


def test_a_function_of_the_user_makes_run_settings(lab: CohortLab, tmp_path: Path) -> None:
    sheet = tmp_path / "lanes.csv"
    sheet.write_text("sample,lane\nNA1,a\nNA1,b\nNA2,c\n")

    def build(rows: list[dict[str, str]]) -> dict[str, Any]:
        return {"runSettingId": rows[0]["sample"], "parameters": {"lanes": [row["lane"] for row in rows]}}

    task = lab.run(str(sheet), run_setting_id_column="sample", group_rows=True, build_run_setting=build)
    runs = {run.run_setting_id: run.request["parameters"] for run in lab.state.runs_of_batch(task.result)}
    assert runs == {"NA1": {"lanes": ["a", "b"]}, "NA2": {"lanes": ["c"]}}


def rendered(lab: CohortLab, run_settings: Any, upstream: Any, **kwargs: Any) -> list[str]:
    """Run a task whose samples come from a template, and return their ids."""
    task = OmicsStartRunBatchOperator(
        task_id="cohort",
        workflow_id="{{ params.workflow }}",
        role_arn=ROLE,
        output_uri=f"s3://{BUCKET}/{{{{ run_id }}}}",
        priority="{{ params.priority }}",
        run_settings=run_settings,
        waiter_delay=0.02,
        **kwargs,
    )
    params = {"workflow": lab.workflow_id, "priority": 3, "samples": upstream}
    done = run_task(task, instance(run_id="manual"), params=params)
    setting = lab.omics.get_batch(batchId=done.result)["defaultRunSetting"]
    assert (setting["priority"], setting["outputUri"]) == (3, f"s3://{BUCKET}/manual")
    return lab.column(done.ti, "run_setting_id")


@pytest.mark.parametrize(
    ("template", "upstream"),
    [
        ("{{ params.samples }}", "s3://cohort-results/in/cohort.json"),
        ("{{ params.samples | tojson }}", ENTRIES),
        ([{"runSettingId": "{{ params.samples[0] }}"}, {"runSettingId": "NA{{ params.samples[1] }}"}], ["NA1", 2]),
    ],
    ids=["URI", "JSON text", "inside of a list"],
)
def test_samples_are_templates(lab: CohortLab, template: Any, upstream: Any) -> None:
    lab.s3.put_object(Bucket=BUCKET, Key="in/cohort.json", Body=FILES["cohort.json"].encode())
    assert rendered(lab, template, upstream) == ["NA1", "NA2"]


def test_a_list_that_is_rendered_as_python_prints_it_is_refused_with_a_way_out(lab: CohortLab) -> None:
    with raises(OmicsRequestInvalidError, match="tojson"):
        rendered(lab, "{{ params.samples }}", ENTRIES)
    assert lab.calls("StartRunBatch") == 0


def test_100_samples_go_inline_and_101_through_one_object_that_is_never_written_again(lab: CohortLab) -> None:
    small = lab.run(cohort(100), instance(run_id="small"))
    [inline] = [lab.state.batches[small.result].request["batchRunSettings"]]
    assert len(inline["inlineSettings"]) == 100
    large = lab.run(cohort(101), instance(run_id="large"))
    request = lab.state.batches[large.result].request["batchRunSettings"]
    assert list(request) == ["s3UriSettings"]
    assert [entry["runSettingId"] for entry in json.loads(lab.read(request["s3UriSettings"]))] == [
        f"sample-{n}" for n in range(101)
    ]
    lab.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    before = lab.objects("out/airflow-batches/run-settings")
    lab.run(cohort(101), instance(2, run_id="large"))
    lab.run(cohort(101), instance(run_id="another"))
    assert lab.objects("out/airflow-batches/run-settings") == before
    versions = lab.s3.list_object_versions(Bucket=BUCKET, Prefix="out/airflow-batches/run-settings")["Versions"]
    # Two cohorts, and what the larger one was submitted as, with a name for each run.
    assert len(before) == 3
    assert sorted(one["Key"] for one in versions if not one["Key"].endswith(".write-test")) == sorted(before)


@pytest.fixture
def checked(lab: CohortLab, make_workflow: Callable[..., str]) -> str:
    """A workflow with a parameter template."""
    workflow_id = make_workflow(parameterTemplate=TEMPLATE)
    lab.server.journal.clear()
    return workflow_id


def test_parameters_are_compared_with_the_workflow_for_all_samples_by_one_call(lab: CohortLab, checked: str) -> None:
    samples = [
        {"runSettingId": "good", "parameters": {"bam": "s3://in/1"}},
        {"runSettingId": "missing"},
        {"runSettingId": "unknown", "parameters": {"bam": "s3://in/1", "refrence": "GRCh38"}},
    ]
    with pytest.raises(OmicsRequestInvalidError) as caught:
        lab.run(samples, workflow_id=checked)
    assert "parameters.bam: is required by the workflow and missing in 1 of 3" in caught.value.message()
    assert "parameters.refrence: is not a parameter of the workflow" in caught.value.message()
    assert "Did you mean 'reference'?" in caught.value.message()
    assert "run_settings[1]" in caught.value.message()
    assert isinstance(caught.value, AirflowFailException)
    assert [call.operation for call in lab.server.journal.calls()] == ["GetWorkflow"]
    assert lab.objects() == {}
    # What all runs are given counts for every sample.
    lab.run(cohort(2), workflow_id=checked, parameters={"bam": "s3://in/all"})
    assert (lab.calls("GetWorkflow"), lab.calls("GetWorkflowVersion")) == (2, 0)


def test_parameters_are_compared_with_the_version_that_runs(lab: CohortLab, checked: str) -> None:
    lab.omics.create_workflow_version(
        workflowId=checked,
        versionName="v2",
        definitionZip=wdl_zip(),
        engine="WDL",
        parameterTemplate={"cram": {"description": "reads"}},
    )
    lab.omics.get_waiter("workflow_version_active").wait(workflowId=checked, versionName="v2")
    lab.server.journal.clear()
    version: dict[str, Any] = {"workflow_id": checked, "workflow_version_name": "v2"}
    with raises(OmicsRequestInvalidError, match=r"parameters\.cram: is required"):
        lab.run(cohort(1), parameters={"bam": "s3://in/1"}, **version)
    lab.run(cohort(1), parameters={"cram": "s3://in/1"}, **version)
    assert (lab.calls("GetWorkflow"), lab.calls("GetWorkflowVersion")) == (0, 2)


def test_where_the_workflow_may_not_be_read_the_comparison_can_be_left_out(lab: CohortLab, checked: str) -> None:
    lab.deny("GetWorkflow")
    with raises(OmicsServiceError, match="validate_parameters=False") as caught:
        lab.run(cohort(1), workflow_id=checked)
    assert isinstance(caught.value, AirflowFailException)
    calls = lab.calls("GetWorkflow")
    # The service then checks each sample when it submits it.
    task = lab.fail(cohort(1), workflow_id=checked, validate_parameters=False)
    assert lab.calls("GetWorkflow") == calls
    assert lab.column(task.ti, "submission_failure_reason") == ["ValidationException"]


def test_places_can_be_given_where_there_is_no_common_output(lab: CohortLab) -> None:
    samples = [{**setting, "outputUri": f"s3://{BUCKET}/own/{n}"} for n, setting in enumerate(cohort(2))]
    with raises(OmicsRequestInvalidError, match="settings_uri: is missing, and has no default") as caught:
        lab.run(samples, output_uri=None)
    assert "results_uri: is missing" in caught.value.message()
    assert lab.objects() == {}
    places = {"settings_uri": f"s3://{BUCKET}/settings/", "results_uri": f"s3://{BUCKET}/tables/cohort.csv"}
    task = lab.run(samples, output_uri=None, **places)
    assert task.ti.xcoms["results_uri"] == f"s3://{BUCKET}/tables/cohort.csv"
    assert [uri.rsplit("/", 1)[0] for uri in lab.column(task.ti, "output_uri")] == [
        f"s3://{BUCKET}/own/0",
        f"s3://{BUCKET}/own/1",
    ]
    places_of_ours = [key.split("/")[0] for key in lab.objects() if not key.startswith("own/")]
    assert sorted(places_of_ours) == ["settings", "tables", "tables"]


def test_results_go_into_a_folder(lab: CohortLab) -> None:
    task = lab.run(cohort(1), results_uri=f"s3://{BUCKET}/tables/monday/")
    assert task.ti.xcoms["results_uri"] == f"s3://{BUCKET}/tables/monday/results.csv"
    assert task.ti.xcoms["batch_summary"]["results_jsonl_uri"] == f"s3://{BUCKET}/tables/monday/results.jsonl"


def test_a_bucket_that_is_missing_stops_the_task_before_its_batch(lab: CohortLab) -> None:
    with raises(OmicsServiceError, match=r"(?s)NoSuchBucket.*Check the bucket's name") as caught:
        lab.run(cohort(2), settings_uri="s3://no-such-bucket/settings")
    assert isinstance(caught.value, AirflowFailException)
    with raises(OmicsServiceError, match=r"(?s)NoSuchKey.*Check the name"):
        lab.run(f"{OUT}/no-such-sheet.csv", run_setting_id_column="sample")
    assert lab.calls("StartRunBatch") == 0


def test_a_refusal_of_the_service_names_cause_and_remedy(lab: CohortLab) -> None:
    lab.deny("StartRunBatch")
    with raises(OmicsServiceError, match=f"(?s)StartRunBatch for workflow {lab.workflow_id}.*omics:StartRunBatch"):
        lab.run(cohort(1))
    lab.server.faults.clear()
    with raises(OmicsServiceError, match="ResourceNotFoundException") as caught:
        lab.run(cohort(1), workflow_id="1", validate_parameters=False)
    assert isinstance(caught.value, AirflowFailException)


@MODES
def test_a_sheet_is_submitted_with_its_types_its_id_and_without_what_is_no_sample(
    lab: CohortLab,
    make_workflow: Callable[..., str],
    tmp_path: Path,
    deferrable: bool,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    template = {"sample_name": {}, "bam": {}, "min_len": {}, "flag": {"optional": True}}
    workflow_id = make_workflow(parameterTemplate=template)
    sheet = tmp_path / "x.csv"
    sheet.write_text("sample_name,bam,min_len,flag\nNA1, s3://in/1,30,yes\n#NA2,s3://in/2,30,no\nNA3,s3://in/3,007,\n")
    options: dict[str, Any] = {
        "workflow_id": workflow_id,
        "run_setting_id_column": "sample_name",
        "parameter_types": {"min_len": "int", "flag": "boolean"},
        "deferrable": deferrable,
    }
    with raises(OmicsRequestInvalidError, match=r"row 3, column 'sample_name': is commented out: '#NA2'"):
        lab.run(str(sheet), **options)
    assert lab.calls("StartRunBatch") == 0
    lab.server.journal.clear()
    with caplog.at_level(logging.INFO):
        task = lab.run(str(sheet), non_sample_rows="skip", **options)
    assert lab.calls("GetWorkflow") == 1
    runs = {run.run_setting_id: run.request["parameters"] for run in lab.state.runs_of_batch(task.result)}
    assert runs == {
        "NA1": {"sample_name": "NA1", "bam": "s3://in/1", "min_len": 30, "flag": True},
        "NA3": {"sample_name": "NA3", "bam": "s3://in/3", "min_len": 7},
    }
    # Airflow 3 writes a task's log to the standard output, Airflow 2 through the standard library.
    told = unwrapped(capsys.readouterr().out or caplog.text)
    assert "Removed spaces around 1 value" in told
    assert f"Left out 1 row of {sheet}: 1 commented out (row 3)" in told
