"""Check of the place for outputs: its bucket is in the Region, and can be written to with the connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import Requests
from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.api.service_errors import OmicsServiceError, error_code
from airflow_provider_omics.healthomics.requests.s3_uris import parse_s3_uri
from airflow_provider_omics.preflight.check import ServiceRequest
from airflow_provider_omics.preflight.findings import OUTPUT, Finding, bad, good, unknown
from airflow_provider_omics.preflight.plan import Plan

PROOF = "airflow-preflight.write-test"
"""Name of the small object that is written below the place for outputs, and deleted again."""
_ABSENT = ("404", "NoSuchBucket")


@dataclass(frozen=True)
class OutputCheck:
    """Place for outputs (HeadBucket, PutObject, DeleteObject).

    :param prove_writable: writes a small object of a name, and deletes it again; raises OmicsServiceError.
    """

    prove_writable: Callable[[str], None]
    kind: ClassVar[str] = OUTPUT
    where: ClassVar[str] = "output_uri"

    def requests(self, plan: Plan) -> Requests[list[Finding]]:
        """Ask where the bucket is, and write to it."""
        uri = plan.get("outputUri")
        parts = None if uri is None else parse_s3_uri(uri)
        if uri is None or parts is None:
            return []
        try:
            answer = yield ServiceRequest("HeadBucket", {"Bucket": parts.bucket}, "s3")
        except ClientError as error:
            if error_code(error) in _ABSENT:
                fix = "Check the bucket's name, or create the bucket"
                return [bad(OUTPUT, self.where, f"there is no bucket {parts.bucket}", fix)]
            answer = error.response
        region = _region(answer)
        if region is not None and region != plan.region:
            what = f"bucket {parts.bucket} is in {region}, and the runs are in {plan.region}"
            return [bad(OUTPUT, self.where, what, f"Use a bucket in {plan.region}")]
        return [self._written(uri, region)]

    def _written(self, uri: str, region: str | None) -> Finding:
        try:
            self.prove_writable(f"{uri.rstrip('/')}/{PROOF}")
        except OmicsServiceError as error:
            explained = error.explanation
            what = f"nothing can be written to {uri} with this connection: {explained.code} ({explained.message})"
            match error.failure_class:
                case FailureClass.INPUT:
                    return bad(OUTPUT, self.where, what, explained.remedy)
                case FailureClass.PERMISSION:
                    # It is the service role that writes the outputs.
                    fix = f"{explained.remedy}; or see yourself that the service role may write there"
                    return unknown(OUTPUT, self.where, what, fix)
            return unknown(OUTPUT, self.where, what, explained.remedy, may_pass=True)
        place = "" if region is None else f" in {region}"
        return good(OUTPUT, self.where, f"{uri}{place} can be written to with this connection")


def _region(answer: Mapping[str, Any]) -> str | None:
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = answer.get("BucketRegion") or headers.get("x-amz-bucket-region")
    return None if region is None else str(region)
