"""What an error of a call means: whether it passes by itself, and what to tell the user about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    ProxyConnectionError,
    SSLError,
)
from botocore.exceptions import ConnectionError as EndpointConnectionFailed

from airflow_provider_omics.healthomics.api.actions import permission_remedy
from airflow_provider_omics.healthomics.api.errors import OmicsError, message_of
from airflow_provider_omics.healthomics.api.failures import FailureClass
from airflow_provider_omics.healthomics.api.regions import is_host_of_aws, region_advice


class ErrorCategory(StrEnum):
    """What waiting would do about an error."""

    TRANSIENT = "passing"
    NOT_FOUND = "missing"
    PERMANENT = "lasting"


_TRANSIENT_ERRORS = (
    HTTPClientError,
    EndpointConnectionFailed,
    CredentialRetrievalError,
    MetadataRetrievalError,
    IncompleteReadError,
    ConnectionError,
    TimeoutError,
)
# The request never left: there was nobody to send it to, or nothing to sign it with.
_UNSENT_ERRORS = (
    EndpointConnectionError,
    ConnectTimeoutError,
    ProxyConnectionError,
    SSLError,
    CredentialRetrievalError,
    MetadataRetrievalError,
)
# Refusals after which the effect may be there all the same: of an earlier call, or of this one.
_AMBIGUOUS_CODES = frozenset({"ConflictException", "RequestTimeoutException", "RequestTimeout"})
_THROTTLED_CODES = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
    }
)
_TRANSIENT_CODES = _THROTTLED_CODES | frozenset(
    {
        "RequestTimeoutException",
        "RequestTimeout",
        "InternalServerException",
        "InternalFailure",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        # Sessions are renewed under a long wait; the next call carries new credentials.
        "ExpiredTokenException",
        "ExpiredToken",
        "RequestExpired",
        "OverLimit",
        "KmsThrottled",
        "KMS.ThrottlingException",
    }
)

_DENIED_CODES = frozenset({"AccessDeniedException", "AccessDenied", "403"})

CREDENTIALS_REFUSED = frozenset(
    {
        "ExpiredTokenException",
        "ExpiredToken",
        "RequestExpired",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidSecurity",
        "InvalidSignatureException",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        # A client that was made while there were no credentials never finds any.
        "NoCredentialsError",
        "PartialCredentialsError",
    }
)
"""Codes after which a client that is made anew, with the connection as it is then, may do better."""

# What to do depends on what was denied.
_DENIED = (FailureClass.PERMISSION, "")
_KMS_PERMISSION = (
    "Let the caller use kms:GenerateDataKey to write, and kms:Decrypt to read, with the key that the message names"
)
_KMS_KEY = (FailureClass.INPUT, "Check the KMS key of the bucket, or of the request: it must exist and be enabled")
_S3_REGION = (FailureClass.INPUT, "The bucket is in another Region; use one in the Region of the connection")
# S3 has codes of its own; those of HeadObject are HTTP statuses.
_S3_REMEDIES: dict[str, tuple[FailureClass, str]] = {
    "NoSuchKey": (FailureClass.INPUT, "Check the name, which is case-sensitive, and that the object was written"),
    "NoSuchBucket": (FailureClass.INPUT, "Check the bucket's name, or make the bucket"),
    "AccessDenied": _DENIED,
    "403": _DENIED,
    "301": _S3_REGION,
    "PermanentRedirect": _S3_REGION,
    "AuthorizationHeaderMalformed": _S3_REGION,
    "IllegalLocationConstraintException": _S3_REGION,
    "400": (FailureClass.INPUT, "Check that the bucket is in the connection's Region, and that its keys hold"),
    "InvalidAccessKeyId": (FailureClass.PERMISSION, "Check the access key of the connection"),
    "SignatureDoesNotMatch": (FailureClass.PERMISSION, "Check the secret key of the connection"),
    "RequestTimeTooSkewed": (FailureClass.TRANSIENT, "Set the clock of the machine right"),
    "InvalidObjectState": (FailureClass.INPUT, "The object is archived; restore it first"),
    "PreconditionFailed": (
        FailureClass.TRANSIENT,
        "The object was changed while it was read; see who writes it, then try again",
    ),
    "ConditionalRequestConflict": (FailureClass.TRANSIENT, "Another task writes the same object; try again"),
    "KMS.NotFoundException": _KMS_KEY,
    "KMS.DisabledException": _KMS_KEY,
    "KMS.KMSInvalidStateException": _KMS_KEY,
    "SlowDown": (FailureClass.TRANSIENT, "Try again; if it lasts, make fewer requests at once"),
}
_NO_QUEUE = (
    FailureClass.INPUT,
    "Check the queue's URL, and that the connection's account and Region are the queue's",
)
_SQS_REMEDIES: dict[str, tuple[FailureClass, str]] = {
    "AWS.SimpleQueueService.NonExistentQueue": _NO_QUEUE,
    "QueueDoesNotExist": _NO_QUEUE,
    "InvalidAddress": _NO_QUEUE,
    "InvalidClientTokenId": (FailureClass.PERMISSION, "Check the access key of the connection"),
    "InvalidSecurity": (FailureClass.PERMISSION, "Check that the endpoint of the connection is an HTTPS one"),
    "KMS.AccessDeniedException": (FailureClass.PERMISSION, "Let the caller use kms:Decrypt with the queue's key"),
    "OverLimit": (
        FailureClass.QUOTA,
        "Too many messages are received and not deleted; see who else reads the queue",
    ),
}
_REMEDIES: dict[str, tuple[FailureClass, str]] = {
    "ValidationException": (FailureClass.INPUT, "Correct the value that the message names"),
    "AccessDeniedException": _DENIED,
    "UnrecognizedClientException": (
        FailureClass.PERMISSION,
        "Check the access key and the Region of the connection",
    ),
    "InvalidSignatureException": (FailureClass.PERMISSION, "Check the secret key of the connection"),
    "ResourceNotFoundException": (
        FailureClass.INPUT,
        "Check the id, and that the connection's account and Region are the ones that hold it",
    ),
    "ExpiredTokenException": (
        FailureClass.TRANSIENT,
        "The credentials have expired; check how long the connection's session lasts and what renews it",
    ),
    "AirflowNotFoundException": (FailureClass.INPUT, "Make the connection, or correct aws_conn_id"),
    "NoCredentialsError": (
        FailureClass.PERMISSION,
        "Give the connection an access key, a role or a profile, or the worker a role; a connection aws_default that "
        "does not exist stands for boto3's own search for credentials",
    ),
    "NoRegionError": (FailureClass.INPUT, "Give region_name to the task, or to the connection in its extra"),
    "InvalidRegionError": (FailureClass.INPUT, "Write region_name of the task or connection as in us-east-1"),
    "ProfileNotFound": (FailureClass.INPUT, "Correct profile_name in the connection's extra, or write the profile"),
    "EndpointAddressError": (
        FailureClass.INPUT,
        'Write "endpoint_url" in the connection\'s extra as in https://host:443, or take it out for AWS itself',
    ),
    "ParamValidationError": (FailureClass.INPUT, "Correct the value that the message names"),
    "ServiceQuotaExceededException": (
        FailureClass.QUOTA,
        "Delete runs that are no longer needed, use retention_mode REMOVE, or ask for a higher quota",
    ),
    "ConflictException": (
        FailureClass.TRANSIENT,
        "Something with this identity exists, or it is in a state that does not allow this; look at it first. "
        "Name and tags of a run must stay the same from try to try",
    ),
    "ThrottlingException": (
        FailureClass.TRANSIENT,
        "Start fewer at once, as with an Airflow pool, or ask for a higher quota",
    ),
    "RequestTimeoutException": (FailureClass.TRANSIENT, "Try again"),
    "InternalServerException": (
        FailureClass.TRANSIENT,
        "Try again; if it lasts, look at the AWS Health page",
    ),
    **_S3_REMEDIES,
    **_SQS_REMEDIES,
}
_OF_A_BATCH = (
    "; a shared workflow needs workflow_owner_id, and a Ready2Run workflow runs in no batch: start single runs with "
    "OmicsStartRunOperator and workflow_type READY2RUN"
)
_SPECIAL = {
    ("StartRun", "ResourceNotFoundException"): (
        "; a Ready2Run workflow needs workflow_type READY2RUN, a shared one workflow_owner_id"
    ),
    # Only the samples of a batch are compared with their workflow.
    ("GetWorkflow", "ResourceNotFoundException"): _OF_A_BATCH,
    ("GetWorkflowVersion", "ResourceNotFoundException"): f"; so for workflow_version_name{_OF_A_BATCH}",
    ("StartRunBatch", "ResourceNotFoundException"): _OF_A_BATCH,
    ("GetBatch", "ResourceNotFoundException"): "; a batch whose record was deleted cannot be found any more",
}


@dataclass(frozen=True)
class Explanation:
    """An error of a call, told to the person who has to act.

    :param subject: what the call was about, such as ``run 1234567``.
    """

    operation: str
    subject: str
    code: str
    message: str
    http_status: int | None
    request_id: str | None
    failure_class: FailureClass
    remedy: str

    def describe(self) -> str:
        """Return cause and remedy as one line."""
        request = f" [AWS request id {self.request_id}]" if self.request_id else ""
        return f"{self._cause}. {self.remedy}.{request}"

    def lines(self) -> list[str]:
        """Return cause and remedy as a line each."""
        request = [f"AWS request id: {self.request_id}"] if self.request_id else []
        return [f"{self._cause}.", *request, f"What to do: {self.remedy}."]

    @property
    def _cause(self) -> str:
        status = f" (HTTP {self.http_status})" if self.http_status else ""
        return f"{self.operation} for {self.subject} failed: {self.code}{status}: {self.message.rstrip('.')}"


INVALID_STATE_CODES = frozenset({"ConflictException", "ValidationException"})
"""Codes of a call that the state of its object does not allow; which of them the service uses is not documented."""


class InvalidStateError(Exception):
    """A call was refused for the state of its object, which was read.

    :ivar error: the service's error.
    :ivar remedy: what to do in this state.
    :ivar failure_class: ``transient`` if the state changes by itself.
    """

    def __init__(self, error: ClientError, remedy: str, failure_class: FailureClass) -> None:
        super().__init__(error, remedy, failure_class)
        self.error = error
        self.remedy = remedy
        self.failure_class = failure_class


def categorize(error: BaseException) -> ErrorCategory:
    """Say whether an error passes by itself, means that the thing is not there, or lasts."""
    if isinstance(error, ClientError):
        code = error_code(error)
        if code == "ResourceNotFoundException":
            return ErrorCategory.NOT_FOUND
        passing = code in _TRANSIENT_CODES or (_http_status(error) or 0) >= 500
        return ErrorCategory.TRANSIENT if passing else ErrorCategory.PERMANENT
    # A Region that does not exist will not come into being.
    passing = isinstance(error, _TRANSIENT_ERRORS) and region_advice(error) is None
    return ErrorCategory.TRANSIENT if passing else ErrorCategory.PERMANENT


def concerns_all_calls(error: BaseException) -> bool:
    """Whether other calls through the same client would fail too: the service, the way to it, or the credentials."""
    return categorize(error) is ErrorCategory.TRANSIENT or error_code(error) in CREDENTIALS_REFUSED


def is_throttled(error: BaseException) -> bool:
    """Whether a call was refused since there were too many, before it had any effect."""
    return isinstance(error, ClientError) and (error_code(error) in _THROTTLED_CODES or _http_status(error) == 429)


def is_denied(error: BaseException) -> bool:
    """Whether a call was refused since the caller lacks a permission."""
    return isinstance(error, ClientError) and error_code(error) in _DENIED_CODES


def is_ambiguous(error: BaseException) -> bool:
    """Whether a call that raised this error may have done, or may find done, what it was to do."""
    if isinstance(error, ClientError):
        return (_http_status(error) or 0) >= 500 or error_code(error) in _AMBIGUOUS_CODES
    return not isinstance(error, _UNSENT_ERRORS)


def error_code(error: BaseException) -> str:
    """Return the service's error code, or the name of an exception that is not the service's."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "Unknown"))
    return type(error).__name__


def explain(error: BaseException, operation: str, subject: str) -> Explanation:
    """Tell what an error of a call means and what to do about it.

    :param error: what the call raised.
    :param operation: API operation, such as ``StartRun``.
    :param subject: what it was about, such as ``workflow 1234567``.
    """
    code = error_code(error)
    failure_class, remedy = _REMEDIES.get(code, _fallback(error))
    remedy += _SPECIAL.get((operation, code), "")
    if isinstance(error, ClientError):
        message = str(error.response.get("Error", {}).get("Message") or error)
        request_id = error.response.get("ResponseMetadata", {}).get("RequestId") or None
        if is_denied(error):
            remedy = _KMS_PERMISSION if "kms:" in message else permission_remedy(operation, message)
        elif isinstance(error.__cause__, ClientError) and is_denied(error.__cause__):
            # What might explain the refusal could not be read.
            remedy += f". {explain(error.__cause__, error.__cause__.operation_name, subject).remedy}"
    else:
        message, request_id = message_of(error), None
    return Explanation(
        operation=operation,
        subject=subject,
        code=code,
        message=message,
        http_status=_http_status(error),
        request_id=request_id,
        failure_class=failure_class,
        remedy=remedy,
    )


def _fallback(error: BaseException) -> tuple[FailureClass, str]:
    if (advice := region_advice(error)) is not None:
        return FailureClass.INPUT, advice
    if is_host_of_aws(error):
        return FailureClass.TRANSIENT, "Check the worker's way to AWS (DNS, proxy, VPC endpoint), then try again"
    if isinstance(error, EndpointConnectionFailed) and "//workflows-" in str(error):
        own = 'With an endpoint of your own, set "inject_host_prefix": false in the connection\'s config_kwargs'
        return FailureClass.TRANSIENT, own
    if categorize(error) is ErrorCategory.TRANSIENT:
        return FailureClass.TRANSIENT, "Check the network and the endpoint of the connection, then try again"
    if isinstance(error, BotoCoreError):
        return FailureClass.INPUT, "Check credentials, Region and endpoint of the connection"
    if (_http_status(error) or 0) in (401, 403):
        return FailureClass.PERMISSION, "Check the credentials of the connection"
    if not isinstance(error, ClientError):
        return FailureClass.UNKNOWN, "This did not come from AWS; please report it with the traceback in the log"
    return FailureClass.UNKNOWN, "See the message"


def is_from_aws(error: BaseException) -> bool:
    """Whether an error came from a call, and not from a mistake in the code around it."""
    return isinstance(error, (ClientError, BotoCoreError, OSError))


def _http_status(error: BaseException) -> int | None:
    if isinstance(error, ClientError):
        return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return None


class OmicsServiceError(OmicsError):
    """The service, or the way to it, refused a call.

    :ivar code: error code, such as ``AccessDeniedException``.
    :ivar http_status: status of the HTTP answer, if there was one.
    :ivar operation: the API operation.
    """

    def __init__(self, explanation: Explanation) -> None:
        super().__init__(explanation)
        self.code = explanation.code
        self.http_status = explanation.http_status
        self.operation = explanation.operation
        self.failure_class = explanation.failure_class
        self.explanation = explanation

    def message(self) -> str:
        """Return cause, place and remedy, in this order, as lines that may be long."""
        return "\n".join(self.explanation.lines())
