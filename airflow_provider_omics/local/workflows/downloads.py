"""Links to what the service hands out as files: definitions and READMEs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_omics.local.account_state import AccountState


def link(state: AccountState, key: str, content: bytes) -> str:
    """Put a file into a bucket of the service's own and return where it can be fetched.

    AWS answers a presigned URL; this server checks no signature, but its S3 wants one to be there.

    :param key: name of the object.
    :param content: the file.
    """
    bucket = f"omics-exports-{state.account}-{state.region}"
    state.aws.ensure_bucket(bucket)
    state.aws.put_object(f"s3://{bucket}/{key}", content)
    return f"{state.endpoint_url}/{bucket}/{key}?Signature=local" if state.endpoint_url else f"s3://{bucket}/{key}"
