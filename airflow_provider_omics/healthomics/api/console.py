"""Addresses of pages in the AWS console, as far as they are publicly known."""

from __future__ import annotations

from urllib.parse import quote

LOG_GROUP = "/aws/omics/WorkflowLog"
"""The CloudWatch log group that HealthOmics writes to."""

_DOMAINS = {"aws-cn": "amazonaws.cn", "aws-us-gov": "amazonaws-us-gov.com"}


def run_url(region: str, partition: str, run_id: str) -> str:
    """Return the page of one run."""
    return f"{_console(region, partition)}/omics/home?region={region}#/runs/{run_id}"


def run_list_url(region: str, partition: str) -> str:
    """Return the page of all runs."""
    return f"{_console(region, partition)}/omics/home?region={region}#/runs"


def object_url(region: str, partition: str, bucket: str, key: str) -> str:
    """Return the page of an object in S3."""
    page = f"/s3/object/{quote(bucket, safe='')}?region={region}&prefix={quote(key, safe='')}"
    return f"{_console(region, partition)}{page}"


def folder_url(region: str, partition: str, bucket: str, key: str) -> str:
    """Return the page of the objects in S3 whose keys begin with a folder."""
    prefix = quote(f"{key.rstrip('/')}/" if key.strip("/") else "", safe="")
    return f"{_console(region, partition)}/s3/buckets/{quote(bucket, safe='')}?region={region}&prefix={prefix}"


def log_stream_url(region: str, partition: str, stream: str) -> str:
    """Return the page of one stream of the HealthOmics log group."""
    group, stream = quote(LOG_GROUP, safe=""), quote(stream, safe="")
    page = f"#logsV2:log-groups/log-group/{group}/log-events/{stream}"
    return f"{_console(region, partition)}/cloudwatch/home?region={region}{page}"


def run_log_stream(run_id: str) -> str:
    """Return the name of a run's own log stream."""
    return f"run/{run_id}"


def engine_log_stream(run_id: str) -> str:
    """Return the name of the log stream of the run's workflow engine."""
    return f"run/{run_id}/engine"


def task_log_stream(run_id: str, task_id: str) -> str:
    """Return the name of the log stream of one task."""
    return f"run/{run_id}/task/{task_id}"


def manifest_log_stream(run_id: str, run_uuid: str) -> str:
    """Return the name of the log stream of a run's manifest."""
    return f"manifest/run/{run_id}/{run_uuid}"


def _console(region: str, partition: str) -> str:
    return f"https://{region}.console.{_DOMAINS.get(partition, 'aws.amazon.com')}"
