"""Access control at the HTTP front: the IAM actions that requests to the services beside HealthOmics need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from airflow_provider_omics.healthomics.api.actions import LIST_BUCKET, actions_of
from airflow_provider_omics.local.access import AccessControl, refusal_text
from airflow_provider_omics.local.http.error_forms import Protocol, error_in, operation_of, protocol_of
from airflow_provider_omics.local.http.wire import respond

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from airflow_provider_omics.local.http.signatures import Scope
    from airflow_provider_omics.local.http.wire import HttpAnswer

Carry = Callable[["StartResponse"], Iterable[bytes]]

# What IAM calls services that sign their requests by another name.
_PREFIXES = {"monitoring": "cloudwatch", "email": "ses"}
# Actions that have another name than the operations of SQS, besides those that this provider calls itself.
_BATCHED = {"SendMessageBatch": "SendMessage", "ChangeMessageVisibilityBatch": "ChangeMessageVisibility"}
_OBJECT_ACTIONS = {
    "GET": "s3:GetObject",
    "HEAD": "s3:GetObject",
    "PUT": "s3:PutObject",
    "POST": "s3:PutObject",
    "DELETE": "s3:DeleteObject",
}
_BUCKET_ACTIONS = {
    "GET": LIST_BUCKET,
    "HEAD": LIST_BUCKET,
    "PUT": "s3:CreateBucket",
    "POST": "s3:PutObject",
    "DELETE": "s3:DeleteBucket",
}
_VERBS = {"GET": "Get", "HEAD": "Get", "PUT": "Put", "POST": "Put", "DELETE": "Delete"}
_SUBRESOURCES = {
    "acl": "Acl",
    "tagging": "Tagging",
    "policy": "Policy",
    "versioning": "Versioning",
    "notification": "Notification",
    "location": "Location",
    "cors": "CORS",
    "encryption": "EncryptionConfiguration",
    "lifecycle": "LifecycleConfiguration",
}


class S3Request(NamedTuple):
    """What a request to S3 is about.

    :ivar key: empty where it is about the bucket, as is the bucket for the list of all buckets.
    """

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    is_copy: bool = False

    @property
    def arn(self) -> str:
        """ARN of the object, or of the bucket."""
        return f"arn:aws:s3:::{self.bucket}/{self.key}" if self.key else f"arn:aws:s3:::{self.bucket}"

    @property
    def actions(self) -> tuple[str, ...]:
        """IAM actions that it needs."""
        if not self.bucket:
            return ("s3:ListAllMyBuckets",)
        if (named := next((name for name in _SUBRESOURCES if name in self.query), None)) is not None:
            return (f"s3:{_VERBS[self.method]}{'Object' if self.key else 'Bucket'}{_SUBRESOURCES[named]}",)
        if not self.key:
            is_deletion = self.method == "POST" and "delete" in self.query
            return ("s3:DeleteObject",) if is_deletion else (_BUCKET_ACTIONS[self.method],)
        if self.method == "DELETE" and "uploadId" in self.query:
            return actions_of("AbortMultipartUpload")
        own = _OBJECT_ACTIONS[self.method]
        return (own, "s3:GetObject") if self.is_copy else (own,)


class HttpAccess:
    """Access control of requests that carry a signature.

    :param user: ARN of the caller.
    :param has_bucket: whether S3 has a bucket of a name.
    """

    def __init__(self, access: AccessControl, user: str, has_bucket: Callable[[str], bool]) -> None:
        self._access = access
        self._user = user
        self._has_bucket = has_bucket

    def answer(
        self, environ: WSGIEnvironment, scope: Scope, start_response: StartResponse, carry_out: Carry
    ) -> Iterable[bytes]:
        """Have a request carried out, or refuse it as AWS does.

        :param scope: what its signature says.
        :param carry_out: answers it.
        """
        if scope.service == "s3":
            return self._answer_s3(environ, s3_request(environ, self._has_bucket), start_response, carry_out)
        action = self._access.refused(_actions(scope.service, operation_of(environ)))
        if action is None:
            return carry_out(start_response)
        return respond(self._refusal(protocol_of(environ, scope.service), action), start_response)

    def _answer_s3(
        self, environ: WSGIEnvironment, asked: S3Request, start_response: StartResponse, carry_out: Carry
    ) -> Iterable[bytes]:
        action = self._access.refused(asked.actions)
        if action is not None:
            return respond(self._refusal(Protocol.S3, action, asked.arn), start_response)
        if not asked.key or asked.method not in ("GET", "HEAD"):
            return carry_out(start_response)
        begun: list[Any] = []

        def begin(status: str, headers: Any, _error: Any = None) -> Callable[[bytes], object]:
            begun[:] = status, headers
            return begun.append

        body = carry_out(begin)
        status, headers = begun
        # Whether an object exists is for those who may list its bucket.
        if status.startswith("404") and (hidden := self._access.refused((LIST_BUCKET,))) is not None:
            return respond(self._refusal(Protocol.S3, hidden, f"arn:aws:s3:::{asked.bucket}"), start_response)
        start_response(status, headers)
        return body

    def _refusal(self, protocol: Protocol, action: str, resource: str | None = None) -> HttpAnswer:
        is_json = protocol in (Protocol.JSON, Protocol.CBOR)
        code = "AccessDeniedException" if is_json else "AccessDenied"
        status = HTTPStatus.BAD_REQUEST if is_json else HTTPStatus.FORBIDDEN
        return error_in(protocol, code, refusal_text(self._user, action, resource), status)


def s3_request(environ: Mapping[str, Any], has_bucket: Callable[[str], bool]) -> S3Request:
    """Return what a request to S3 is about.

    :param has_bucket: whether there is a bucket of a name, which the host's name may begin with.
    """
    path = unquote(str(environ["RAW_URI"]).partition("?")[0]).removeprefix("/")
    host = str(environ.get("HTTP_HOST", "")).partition(".")[0]
    bucket, _, key = (host, "", path) if has_bucket(host) else path.partition("/")
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    return S3Request(environ["REQUEST_METHOD"], bucket, key, query, "HTTP_X_AMZ_COPY_SOURCE" in environ)


def _actions(service: str, operation: str) -> tuple[str, ...]:
    needed = actions_of(operation)
    if not needed:
        return ()
    prefix = _PREFIXES.get(service, service)
    own = f"{prefix}:{_BATCHED.get(operation, operation)}"
    # Operations of several services may have one name.
    return tuple(action for action in needed if action.startswith(f"{prefix}:")) or (own,)
