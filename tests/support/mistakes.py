"""Mistakes that people make, each as a task that fails by it, and what the end of its log has to tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from batch_states import minutes_ago
from omics_service import await_status, wdl_zip

from airflow_provider_omics.local import LocalOmics
from airflow_provider_omics.local.faults import FaultKind, FaultRule
from airflow_provider_omics.operators.batch import OmicsDeleteBatchOperator, OmicsStartRunBatchOperator
from airflow_provider_omics.operators.run import OmicsDeleteRunOperator, OmicsStartRunOperator
from airflow_provider_omics.sensors.batch import OmicsBatchRunSensor, OmicsBatchSensor
from airflow_provider_omics.sensors.run import OmicsRunSensor

ROLE = "arn:aws:iam::123456789012:role/OmicsRole"
BUCKET = "my-bucket"
# Only the first request: how often a client asks again is no matter of what it tells.
ONE_ATTEMPT = {"retries": {"total_max_attempts": 1}}
LOGIN = {"conn_type": "aws", "login": "key", "password": "secret"}


class MistakeLab:
    """A server with workflows, a bucket and sheets, for the tasks that make a mistake.

    :param connect: makes an Airflow connection of a name, with such an extra.
    """

    def __init__(self, server: LocalOmics, connect: Callable[..., None]) -> None:
        self.server = server
        self.connect = connect
        self.omics = server.client("omics")
        self.s3 = server.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self.workflow = self._workflow("qc", None)
        template = {"reads": {}, "sample": {}, "min_len": {"optional": True}}
        self.strict = self._workflow("strict", template)

    def _workflow(self, name: str, template: Mapping[str, Any] | None) -> str:
        request: dict[str, Any] = {"name": name, "engine": "WDL", "definitionZip": wdl_zip()}
        if template is not None:
            request["parameterTemplate"] = template
        workflow_id: str = self.omics.create_workflow(**request)["id"]
        await_status(lambda: self.omics.get_workflow(id=workflow_id), "ACTIVE")
        return workflow_id

    def strike(self, operation: str, code: str, status: int, **rule: Any) -> None:
        """Have a call answered with an error."""
        kind = FaultKind.ERROR_BEFORE
        self.server.faults.add(
            FaultRule(kind=kind, operation=operation, code=code, http_status=status, count=None, **rule)
        )

    def put(self, key: str, text: str) -> str:
        """Write an object and return its URI."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
        return f"s3://{BUCKET}/{key}"

    def run(self, **arguments: Any) -> OmicsStartRunOperator:
        """A task that starts a run, in order but for what is given."""
        given = {"workflow_id": self.workflow, "role_arn": ROLE, "output_uri": f"s3://{BUCKET}/out", **arguments}
        return OmicsStartRunOperator(task_id="start_run", waiter_delay=0.02, **given)

    def cohort(self, run_settings: Any = None, **arguments: Any) -> OmicsStartRunBatchOperator:
        """A task that runs a cohort of three samples, in order but for what is given."""
        given = {"workflow_id": self.workflow, "role_arn": ROLE, "output_uri": f"s3://{BUCKET}/out", **arguments}
        if run_settings is None:
            run_settings = [{"runSettingId": name} for name in ("NA12878", "NA12891", "NA12892")]
        return OmicsStartRunBatchOperator(
            task_id="cohort", run_settings=run_settings, **{"waiter_delay": 0.02, **given}
        )

    def sheet(self, text: str, *, workflow_id: str | None = None, **arguments: Any) -> OmicsStartRunBatchOperator:
        """A task that runs the samples of a sheet."""
        given = {"run_setting_id_column": "sample", "workflow_id": workflow_id or self.strict, **arguments}
        return self.cohort(self.put("cohort.csv", text), **given)

    def started(self, outcome: str = "COMPLETED", **request: Any) -> str:
        """Return the id of a run that is started."""
        tags = {"omics-local:outcome": outcome}
        settings = {"roleArn": ROLE, "outputUri": f"s3://{BUCKET}/out", "tags": tags, **request}
        run_id: str = self.omics.start_run(workflowId=self.workflow, **settings)["id"]
        return run_id

    def batch(self, *outcomes: str) -> str:
        """Return the id of a batch with a sample for each outcome."""
        settings = [
            {"runSettingId": f"sample-{number}", "runTags": {"omics-local:outcome": outcome}}
            for number, outcome in enumerate(outcomes)
        ]
        batch_id: str = self.omics.start_run_batch(
            defaultRunSetting={"workflowId": self.workflow, "roleArn": ROLE, "outputUri": f"s3://{BUCKET}/out"},
            batchRunSettings={"inlineSettings": settings},
        )["id"]
        return batch_id

    def failing(self, code: str) -> OmicsStartRunOperator:
        """A task whose run fails with a code."""
        return self.run(tags={"omics-local:outcome": code})

    def elsewhere(self, **extra: Any) -> OmicsStartRunOperator:
        """A task through a connection of its own, to no server of ours."""
        self.connect("omics_prod", **{**LOGIN, "extra": extra})
        return self.run(aws_conn_id="omics_prod", botocore_config=ONE_ATTEMPT)


Make = Callable[[MistakeLab], Any]


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    :param title: what was done wrong.
    :param make: makes the task, which takes ``deferrable`` afterwards.
    :param cause: what the end of the log has to name as the cause.
    :param place: where it is to be found.
    :param remedy: what is to be done.
    :param has_modes: whether the task has a deferred mode.
    """

    title: str
    make: Make
    cause: str
    place: str
    remedy: str
    has_modes: bool = True


GOOD_ROW = "NA12878,s3://my-bucket/NA12878.bam\n"


def _cancelled_by_somebody(lab: MistakeLab) -> OmicsRunSensor:
    run_id = lab.started(tags={"omics-local:seconds": "600"})
    lab.omics.cancel_run(id=run_id)
    return OmicsRunSensor(task_id="wait", run_id=run_id, poke_interval=0.02)


def _waits_too_short(lab: MistakeLab) -> OmicsRunSensor:
    run_id = lab.started(tags={"omics-local:seconds": "600"})
    return OmicsRunSensor(task_id="wait", run_id=run_id, poke_interval=0.02, timeout=0.2)


def _deletes_while_running(lab: MistakeLab) -> OmicsDeleteRunOperator:
    return OmicsDeleteRunOperator(task_id="delete", run_id=lab.started(tags={"omics-local:seconds": "600"}))


def _refused(lab: MistakeLab, operation: str, code: str, status: int) -> Any:
    lab.strike(operation, code, status)
    return lab.run(botocore_config=ONE_ATTEMPT)


def _refused_sheet(lab: MistakeLab) -> Any:
    task = lab.sheet("sample,reads\n" + GOOD_ROW)
    lab.strike("s3:GET", "AccessDenied", 403)
    return task


def _refused_samples(lab: MistakeLab) -> Any:
    lab.strike("RunBatch.submit", "AccessDeniedException", 403)
    return lab.cohort()


def _failed_batch(lab: MistakeLab) -> Any:
    lab.strike("RunBatch.validate", "ValidationException", 400)
    return lab.cohort()


def _failed_samples(lab: MistakeLab) -> Any:
    bad = {"omics-local:outcome": "RUN_TASK_FAILED"}
    return lab.cohort([{"runSettingId": "NA12878"}, {"runSettingId": "NA12891", "runTags": bad}])


def _sample_of_a_failed_batch(lab: MistakeLab) -> Any:
    lab.strike("RunBatch.validate", "ValidationException", 400)
    batch_id = lab.batch("COMPLETED")
    await_status(lambda: lab.omics.get_batch(batchId=batch_id), "FAILED")
    minutes_ago(lab.server, batch_id, "failed_time")
    return OmicsBatchRunSensor(task_id="wait", batch_id=batch_id, run_setting_id="sample-0", poke_interval=0.02)


def _batch_sensor_of_failures(lab: MistakeLab) -> Any:
    batch_id = lab.batch("COMPLETED", "INPUT_URI_NOT_FOUND")
    return OmicsBatchSensor(task_id="wait", batch_id=batch_id, poke_interval=0.02)


MISTAKES: dict[str, Mistake] = {
    # The workflow, the role, the places
    "workflow-that-is-not-there": Mistake(
        "A workflow id of another account or Region",
        lambda lab: lab.run(workflow_id="7654321"),
        "ResourceNotFoundException",
        "workflow 7654321",
        "account and Region",
    ),
    "workflow-name-for-its-id": Mistake(
        "The name of a workflow in the place of its id",
        lambda lab: lab.run(workflow_id="germline-qc"),
        "germline-qc",
        "workflow_id",
        "Give the id",
    ),
    "role-name-for-its-arn": Mistake(
        "The name of a role in the place of its ARN",
        lambda lab: lab.run(role_arn="OmicsRole"),
        "OmicsRole",
        "role_arn",
        "arn:aws:iam::123456789012:role/",
    ),
    "role-of-a-user": Mistake(
        "The ARN of a user in the place of a role's",
        lambda lab: lab.cohort(role_arn="arn:aws:iam::123456789012:user/ada"),
        "user/ada",
        "role_arn",
        "arn:aws:iam::123456789012:role/",
    ),
    "output-place-missing": Mistake(
        "No output_uri", lambda lab: lab.run(output_uri=None), "missing", "output_uri", "Give"
    ),
    "output-place-of-the-web": Mistake(
        "The web address of a bucket in the place of its S3 URI",
        lambda lab: lab.run(output_uri="https://my-bucket.s3.amazonaws.com/out"),
        "https://my-bucket",
        "output_uri",
        "s3://",
    ),
    "output-bucket-cannot-be": Mistake(
        "A bucket name that S3 does not allow",
        lambda lab: lab.cohort(output_uri="s3://My_Bucket/out"),
        "My_Bucket",
        "output_uri",
        "such as s3://my-bucket",
    ),
    "results-on-the-worker": Mistake(
        "A local path for the results table",
        lambda lab: lab.cohort(results_uri="/data/results.csv"),
        "/data/results.csv",
        "results_uri",
        "s3://",
    ),
    "settings-bucket-not-there": Mistake(
        "A bucket for the run settings that does not exist",
        lambda lab: lab.cohort(settings_uri="s3://no-such-bucket/settings"),
        "NoSuchBucket",
        "no-such-bucket",
        "bucket's name",
    ),
    # Values
    "unknown-value": Mistake(
        "A word that the service does not know",
        lambda lab: lab.run(retention_mode="DELETE"),
        "'DELETE'",
        "retention_mode",
        "RETAIN, REMOVE",
    ),
    "priority-out-of-range": Mistake(
        "A priority out of range", lambda lab: lab.run(priority=200000), "out of range", "priority", "0 to 100000"
    ),
    "parameters-no-json": Mistake(
        "Parameters that are no JSON",
        lambda lab: lab.run(parameters="{'reads': 's3://my-bucket/a.bam'}"),
        "not an object",
        "parameters",
        "JSON object",
    ),
    "template-mark-left": Mistake(
        "A template that was not rendered",
        lambda lab: lab.run(parameters={"reads": "s3://my-bucket/{sample}.bam"}),
        "{sample}",
        "parameters.reads",
        "template",
    ),
    "input-of-another-cloud": Mistake(
        "An input in Google Cloud Storage",
        lambda lab: lab.run(parameters={"reads": "gs://my-bucket/a.bam"}),
        "gs://my-bucket/a.bam",
        "parameters.reads",
        "s3://",
    ),
    "waiter-delay-zero": Mistake(
        "No time between two looks", lambda lab: lab.cohort(waiter_delay=0), "0", "waiter_delay", "Give"
    ),
    "tolerance-out-of-range": Mistake(
        "A tolerance of 110 %",
        lambda lab: lab.cohort(tolerated_failure_percentage=110),
        "110",
        "tolerated_failure_percentage",
        "0 to 100",
    ),
    "tolerance-negative": Mistake(
        "A negative tolerance",
        lambda lab: lab.cohort(tolerated_failure_count=-1),
        "-1",
        "tolerated_failure_count",
        "0 or more",
    ),
    "too-many-tags": Mistake(
        "More tags than fit", lambda lab: lab.run(tags={f"t{n}": "x" for n in range(50)}), "50", "tags", "at most"
    ),
    # Connections
    "connection-not-there": Mistake(
        "A connection that does not exist",
        lambda lab: lab.run(aws_conn_id="omics_pord"),
        "'omics_pord' isn't defined",
        "connection 'omics_pord'",
        "Make the connection",
    ),
    "region-with-a-typo": Mistake(
        "A Region with a typing error",
        lambda lab: lab.elsewhere(region_name="eu-wst-1"),
        "'eu-wst-1' is no Region of AWS",
        "connection 'omics_prod'",
        "Did you mean 'eu-west-1'?",
    ),
    "region-without-healthomics": Mistake(
        "A Region that HealthOmics is not in",
        lambda lab: lab.elsewhere(region_name="eu-south-1"),
        "HealthOmics is not in eu-south-1",
        "connection 'omics_prod'",
        "Use one of",
    ),
    "region-missing": Mistake(
        "No Region at all", lambda lab: lab.elsewhere(), "NoRegionError", "connection 'omics_prod'", "region_name"
    ),
    "region-in-words": Mistake(
        "The console's name of a Region",
        lambda lab: lab.elsewhere(region_name="EU (Ireland)"),
        "EU (Ireland)",
        "connection 'omics_prod'",
        "us-east-1",
    ),
    "endpoint-empty": Mistake(
        "An empty endpoint",
        lambda lab: lab.elsewhere(region_name="eu-west-1", endpoint_url=""),
        "endpoint_url is ''",
        "connection 'omics_prod'",
        "take it out",
    ),
    "endpoint-without-scheme": Mistake(
        "An endpoint without http:// or https://",
        lambda lab: lab.elsewhere(region_name="eu-west-1", endpoint_url="omics.local:4566"),
        "omics.local:4566",
        "connection 'omics_prod'",
        "https://host",
    ),
    "endpoint-nobody-answers": Mistake(
        "An endpoint that nobody answers at",
        lambda lab: lab.elsewhere(
            region_name="eu-west-1", endpoint_url="http://127.0.0.1:9", config_kwargs={"inject_host_prefix": False}
        ),
        "Could not connect",
        "127.0.0.1:9",
        "endpoint of the connection",
    ),
    "endpoint-with-prefix": Mistake(
        "An endpoint of one's own that botocore puts its prefix before",
        lambda lab: lab.elsewhere(region_name="eu-west-1", endpoint_url="http://omics-server.invalid:4566"),
        "workflows-omics-server.invalid",
        "connection 'omics_prod'",
        '"inject_host_prefix": false',
    ),
    "key-that-is-none": Mistake(
        "An access key that AWS does not know",
        lambda lab: _refused(lab, "StartRun", "UnrecognizedClientException", 403),
        "UnrecognizedClientException",
        "connection 'aws_default'",
        "access key",
    ),
    # Permissions and limits of the account
    "caller-may-not-start": Mistake(
        "A caller without omics:StartRun",
        lambda lab: _refused(lab, "StartRun", "AccessDeniedException", 403),
        "AccessDeniedException",
        "StartRun for workflow",
        "omics:StartRun",
    ),
    "account-is-full": Mistake(
        "An account with 100,000 runs stored",
        lambda lab: _refused(lab, "StartRun", "ServiceQuotaExceededException", 402),
        "ServiceQuotaExceededException",
        "StartRun for workflow",
        "Delete runs",
    ),
    "sheet-may-not-be-read": Mistake(
        "A sheet that the worker may not read",
        _refused_sheet,
        "AccessDenied",
        "s3://my-bucket/cohort.csv",
        "s3:GetObject",
    ),
    "samples-may-not-be-started": Mistake(
        "A role that may not be passed, for every sample",
        _refused_samples,
        "AccessDeniedException",
        "NA12878",
        "iam:PassRole",
    ),
    # Sheets
    "sheet-not-there": Mistake(
        "A sheet that is not there",
        lambda lab: lab.cohort(f"s3://{BUCKET}/cohrot.csv", run_setting_id_column="sample"),
        "NoSuchKey",
        "cohrot.csv",
        "case-sensitive",
    ),
    "sheet-on-my-machine": Mistake(
        "A sheet on the author's machine",
        lambda lab: lab.cohort("/home/ada/cohort.csv", run_setting_id_column="sample"),
        "is no file here",
        "/home/ada/cohort.csv",
        "s3:// URI",
    ),
    "sheet-bucket-not-there": Mistake(
        "A sheet in a bucket that does not exist",
        lambda lab: lab.cohort("s3://no-such-bucket/cohort.csv", run_setting_id_column="sample"),
        "NoSuchBucket",
        "no-such-bucket",
        "bucket's name",
    ),
    "wrong-id-column": Mistake(
        "A column that the sheet does not have",
        lambda lab: lab.sheet("sample,reads\n" + GOOD_ROW, run_setting_id_column="sample_id"),
        "sample_id",
        "cohort.csv",
        "sample, reads",
    ),
    "no-id-column": Mistake(
        "No run_setting_id_column",
        lambda lab: lab.sheet("sample,reads\n" + GOOD_ROW, run_setting_id_column=None),
        "run_setting_id_column",
        "cohort.csv",
        "column",
    ),
    "sheet-without-rows": Mistake(
        "A sheet with nothing but its header", lambda lab: lab.sheet("sample,reads\n"), "no", "cohort.csv", "sample"
    ),
    "no-samples": Mistake(
        "No samples", lambda lab: lab.cohort([]), "has no run settings", "run_settings", "Give 1 to 100,000"
    ),
    "same-sample-twice": Mistake(
        "A sample in two rows",
        lambda lab: lab.sheet("sample,reads\n" + GOOD_ROW + GOOD_ROW),
        "NA12878",
        "row 3",
        "group_rows",
    ),
    "parameter-missing": Mistake(
        "A required parameter that no column has",
        lambda lab: lab.sheet("sample\nNA12878\n"),
        "missing in every run setting",
        "parameters.reads",
        "Give it there",
    ),
    "parameter-misspelled": Mistake(
        "A column that is misspelled",
        lambda lab: lab.sheet("sample,raeds\n" + GOOD_ROW),
        "not a parameter of the workflow",
        "parameters.raeds",
        "'reads'",
    ),
    "cell-of-another-type": Mistake(
        "Text where a number was stated",
        lambda lab: lab.sheet(
            "sample,reads,min_len\nNA12878,s3://my-bucket/a.bam,thirty\n", parameter_types={"min_len": "int"}
        ),
        "thirty",
        "row 2",
        "min_len",
    ),
    "cell-of-another-cloud": Mistake(
        "An input in Google Cloud Storage in one row",
        lambda lab: lab.sheet("sample,reads\n" + GOOD_ROW + "NA12891,gs://reads/NA12891.bam\n"),
        "gs://reads/NA12891.bam",
        "row 3",
        "s3://",
    ),
    "totals-at-the-end": Mistake(
        "A note below the table",
        lambda lab: lab.sheet("sample,reads\n" + GOOD_ROW + "Total: 1 sample,\n"),
        "Total: 1 sample",
        "row 3",
        "non_sample_rows",
    ),
    "ready2run-in-a-batch": Mistake(
        "workflow_type READY2RUN in a batch",
        lambda lab: lab.cohort(workflow_id="9500764", workflow_type="READY2RUN"),
        "READY2RUN",
        "workflow_type",
        "OmicsStartRunOperator",
    ),
    "ready2run-id-in-a-batch": Mistake(
        "The id of a Ready2Run workflow in a batch",
        lambda lab: lab.cohort(workflow_id="9500764"),
        "ResourceNotFoundException",
        "workflow 9500764",
        "OmicsStartRunOperator",
    ),
    # Runs and batches that fail
    "input-not-found": Mistake(
        "An input that is not there",
        lambda lab: lab.failing("INPUT_URI_NOT_FOUND"),
        "INPUT_URI_NOT_FOUND",
        "HealthOmics run",
        "Correct the input URI",
    ),
    "task-of-the-run-failed": Mistake(
        "A tool that ends with an error",
        lambda lab: lab.failing("RUN_TASK_FAILED"),
        "RUN_TASK_FAILED",
        "Failed task",
        "Read the failed task's log",
    ),
    "out-of-memory": Mistake(
        "A task that needs more memory",
        lambda lab: lab.failing("OUT_OF_MEMORY_ERROR"),
        "OUT_OF_MEMORY_ERROR",
        "HealthOmics run",
        "more memory",
    ),
    "storage-is-full": Mistake(
        "A run that needs more storage",
        lambda lab: lab.failing("FILE_SYSTEM_OUT_OF_SPACE"),
        "FILE_SYSTEM_OUT_OF_SPACE",
        "HealthOmics run",
        "storage_capacity",
    ),
    "service-error": Mistake(
        "An error of the service", lambda lab: lab.failing("SERVICE_ERROR"), "SERVICE_ERROR", "HealthOmics run", "again"
    ),
    "cancelled-in-the-console": Mistake(
        "A run that somebody cancelled", _cancelled_by_somebody, "CANCELLED", "HealthOmics run", "again"
    ),
    "some-samples-failed": Mistake(
        "A sample that fails where none may", _failed_samples, "RUN_TASK_FAILED", "NA12891", "did not complete"
    ),
    "batch-failed": Mistake("A batch that FAILED as a whole", _failed_batch, "FAILED", "batch", "What to do"),
    # Sensors and others
    "run-that-is-not-there": Mistake(
        "A run id that does not exist",
        lambda _lab: OmicsRunSensor(task_id="wait", run_id="7777777"),
        "ResourceNotFoundException",
        "run 7777777",
        "account and Region",
    ),
    "run-arn-for-its-id": Mistake(
        "The ARN of a run in the place of its id",
        lambda _lab: OmicsRunSensor(task_id="wait", run_id="arn:aws:omics:us-east-1:123456789012:run/1234567"),
        "arn:aws:omics",
        "run_id",
        "Give the id",
    ),
    "batch-name-for-its-id": Mistake(
        "The name of a batch in the place of its id",
        lambda _lab: OmicsBatchSensor(task_id="wait", batch_id="cohort-1"),
        "cohort-1",
        "batch_id",
        "Give the id",
    ),
    "batch-that-is-not-there": Mistake(
        "A batch id that does not exist",
        lambda _lab: OmicsBatchSensor(task_id="wait", batch_id="7777777"),
        "ResourceNotFoundException",
        "batch 7777777",
        "account and Region",
    ),
    "batch-with-failures": Mistake(
        "A batch with a sample that failed",
        _batch_sensor_of_failures,
        "INPUT_URI_NOT_FOUND",
        "sample-1",
        "Correct the input URI",
    ),
    "sample-of-a-failed-batch": Mistake(
        "A sample of a batch that FAILED",
        _sample_of_a_failed_batch,
        "the batch itself FAILED",
        "'sample-0'",
        "What to do",
    ),
    "unknown-target": Mistake(
        "A target that does not exist",
        lambda lab: OmicsBatchRunSensor(task_id="wait", batch_id="1234567", run_setting_id="NA12878", target="started"),
        "'started'",
        "target",
        "completed, submitted",
    ),
    "sensor-times-out": Mistake("A timeout that is too short", _waits_too_short, "time is up", "run ", "timeout"),
    "deletes-what-runs": Mistake(
        "A run that is deleted while it runs",
        _deletes_while_running,
        "ConflictException",
        "run ",
        "cancel",
        has_modes=False,
    ),
    "deletes-by-arn": Mistake(
        "The ARN of a batch in the place of its id",
        lambda _lab: OmicsDeleteBatchOperator(
            task_id="delete", batch_id="arn:aws:omics:us-east-1:123456789012:batch/1"
        ),
        "arn:aws:omics",
        "batch_id",
        "Give the id",
    ),
}
"""By a name that is the heading's anchor in the page."""
