"""What requests for objects in S3 carry beyond their names: encryption, the bucket's owner, who pays."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_omics.healthomics.requests.issues import Issue

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_s3.client import S3Client

_ACCOUNT = re.compile(r"\d{12}")


class WithObjectSettings(Protocol):
    """Operator with a parameter for each of the settings."""

    s3_kms_key_id: str | None
    s3_bucket_key_enabled: bool | None
    s3_expected_bucket_owner: str | None
    s3_requester_pays: bool


@dataclass(frozen=True)
class ObjectSettings:
    """What requests for objects carry; by default nothing, so that the bucket's own settings hold.

    :param kms_key_id: id, ARN or alias of the KMS key that what is written is encrypted with.
    :param bucket_key_enabled: whether that is done with an S3 Bucket Key.
    :param expected_bucket_owner: account id that the bucket must belong to.
    :param requester_pays: whether this account pays for requests to a bucket that uses Requester Pays.
    """

    kms_key_id: str | None = None
    bucket_key_enabled: bool | None = None
    expected_bucket_owner: str | None = None
    requester_pays: bool = False

    @classmethod
    def of(cls, task: WithObjectSettings) -> ObjectSettings:
        """Return what the parameters of an operator say."""
        return cls(
            kms_key_id=task.s3_kms_key_id,
            bucket_key_enabled=task.s3_bucket_key_enabled,
            expected_bucket_owner=task.s3_expected_bucket_owner,
            requester_pays=task.s3_requester_pays,
        )

    def of_inputs(self) -> ObjectSettings:
        """Return what holds for what users have written, which may be in anybody's bucket."""
        return replace(ObjectSettings(), requester_pays=self.requester_pays)

    def issues(self) -> Iterator[Issue]:
        """Yield what is wrong with the settings, by the names of the operators' parameters."""
        key, owner = self.kms_key_id, self.expected_bucket_owner
        if key is not None and (not isinstance(key, str) or not key.strip()):
            yield Issue("s3_kms_key_id", f"{key!r} is no KMS key", "Give its ARN, its id or an alias")
        if owner is not None and _ACCOUNT.fullmatch(str(owner)) is None:
            yield Issue("s3_expected_bucket_owner", f"{owner!r} is no account id", "Give 12 digits, as text")
        for name in ("bucket_key_enabled", "requester_pays"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, bool):
                yield Issue(f"s3_{name}", f"is {type(value).__name__} {value!r}", "Give True or False")

    def apply(self, client: S3Client) -> S3Client:
        """Have every request of a client carry them, where the operation knows them."""
        members = self._members()

        # Parts of an upload are requests of their own, which boto3's transfers have no parameters for.
        def add(params: dict[str, Any], model: OperationModel, **_: Any) -> None:
            known: Mapping[str, Any] = model.input_shape.members if model.input_shape is not None else {}
            for name, value in members.items():
                if name in known:
                    params.setdefault(name, value)

        if members:
            client.meta.events.register("provide-client-params.s3", add)
        return client

    def _members(self) -> dict[str, Any]:
        members = {
            "ServerSideEncryption": None if self.kms_key_id is None else "aws:kms",
            "SSEKMSKeyId": self.kms_key_id,
            "BucketKeyEnabled": self.bucket_key_enabled,
            "ExpectedBucketOwner": None if self.expected_bucket_owner is None else str(self.expected_bucket_owner),
            "RequestPayer": "requester" if self.requester_pays else None,
        }
        return {name: value for name, value in members.items() if value is not None}
