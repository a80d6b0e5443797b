"""The example DAG that writes to a topic, with a real scheduler and triggerer."""

from __future__ import annotations

import json
import uuid

import airflow
import pytest
from airflow_cluster import AirflowCluster
from examples import NEED_NEWER
from packaging.version import Version
from plain_cohorts import cohort_conf

from airflow_provider_omics.local import LocalOmics

ALERTS = "example_omics_alerts"
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        Version(airflow.__version__) < Version(NEED_NEWER[f"{ALERTS}.py"]),
        reason="Airflow before 3.1 has no deadlines",
    ),
]
TIMEOUT = 600


def test_a_topic_is_told_that_a_cohort_has_failed_and_that_it_is_late(
    cluster: AirflowCluster, cwl_server: LocalOmics
) -> None:
    sns, sqs = cwl_server.client("sns"), cwl_server.client("sqs")
    name = f"alerts-{uuid.uuid4()}"
    topic, queue = sns.create_topic(Name=name)["TopicArn"], sqs.create_queue(QueueName=name)["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    conf = {**cohort_conf(cwl_server, "false"), "topic_arn": topic}
    bucket = conf["output_uri"].split("/")[2]
    cwl_server.client("s3").put_object(Bucket=bucket, Key="samples.json", Body=b'[{"runSettingId": "liver"}]')
    run_id = f"alerts-{uuid.uuid4()}"
    told: dict[str, str] = {}

    def all_told() -> bool:
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            body = json.loads(message["Body"])
            told[body["Subject"]] = body["Message"]
        return len(told) == 2

    cluster.trigger(ALERTS, run_id, {**conf, "samples_uri": f"s3://{bucket}/samples.json"})
    cluster.wait_for(all_told, "two messages in the topic", TIMEOUT)
    assert cluster.wait_for_dag_run(ALERTS, run_id, TIMEOUT) == "failed"
    assert told["A cohort has failed"].startswith(f"cohort of {ALERTS} ({run_id}) has failed: http")
    assert told["A cohort is late"] == f"{ALERTS} ({run_id}) is not done after 24 hours"
