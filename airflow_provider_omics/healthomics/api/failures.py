"""What each failure of a run or a batch means: what kind it is, who can act, and what they should do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class FailureClass(StrEnum):
    """Kind of failure, by what would mend it."""

    TRANSIENT = "transient"
    INPUT = "input"
    WORKFLOW = "workflow"
    PERMISSION = "permission"
    QUOTA = "quota"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def retry_may_help(self) -> bool:
        """Whether the same run, started again unchanged, has a chance to end better."""
        return self in (FailureClass.TRANSIENT, FailureClass.QUOTA, FailureClass.CANCELLED, FailureClass.UNKNOWN)


class Owner(StrEnum):
    """Who can act on a failure."""

    DATA = "whoever provides the input data"
    WORKFLOW = "the author of the workflow"
    WORKFLOW_OR_DATA = "the author of the workflow, or whoever provides the input data"
    ACCOUNT = "the administrator of the AWS account"
    SERVICE = "AWS"
    CANCELLER = "whoever cancelled it"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class FailureAdvice:
    """What is known about a failure code.

    :param code: the code, as ``failureReason`` of a run or ``submissionFailureReason`` of a batch gives it; empty
        where there is none.
    :param failure_class: what kind of failure it is.
    :param owner: who can act.
    :param advice: what they should do, as one sentence.
    :param is_permanent: whether the same request, sent again, is bound to fail the same way.
    """

    code: str
    failure_class: FailureClass
    owner: Owner
    advice: str
    is_permanent: bool = False


_INPUT = (FailureClass.INPUT, Owner.DATA)
_WORKFLOW = (FailureClass.WORKFLOW, Owner.WORKFLOW)
_PERMISSION = (FailureClass.PERMISSION, Owner.ACCOUNT)
_TRANSIENT = (FailureClass.TRANSIENT, Owner.SERVICE)

_TABLE: dict[str, tuple[tuple[FailureClass, Owner], str]] = {
    "ALL_PROFILES_INSTANCE_RESERVATION_FAILED": (
        _TRANSIENT,
        "No instance was free for any of the resources that the task can fall back to; start the run again later, or "
        "let it fall back to others.",
    ),
    "ASSUME_ROLE_FAILED": (
        _PERMISSION,
        "Let omics.amazonaws.com assume the run's role: check the role's trust policy and its name.",
    ),
    "CANNOT_START_CONTAINER_ERROR": (
        _WORKFLOW,
        "Check that the task's container image starts: its entry point, platform and command.",
    ),
    "CANNOT_START_CONTAINER_SIZE_ERROR": (_WORKFLOW, "Make the task's container image smaller."),
    "ECR_PERMISSION_ERROR": (
        _PERMISSION,
        "Give HealthOmics access to the image: check the ECR repository policy and its Region.",
    ),
    "EXPORT_FAILED": (
        _PERMISSION,
        "Let the run's role write to the output bucket, and check that the bucket exists in this Region.",
    ),
    "FILE_SYSTEM_OUT_OF_SPACE": (
        _WORKFLOW,
        "Raise storage_capacity, or use storage_type DYNAMIC, which grows as needed.",
    ),
    "IMAGE_VERIFICATION_FAILURE": (
        _WORKFLOW,
        "Check the container image: its digest or signature is not the one that was expected.",
    ),
    "IMPORT_FAILED": (
        _INPUT,
        "Check that every input exists, is readable by the run's role and is not archived.",
    ),
    "INACTIVE_OMICS_STORAGE_RESOURCE": (
        _INPUT,
        "Activate the read sets or references that the run reads, and start it again.",
    ),
    "INPUT_URI_NOT_FOUND": (_INPUT, "Correct the input URI, or upload the object that it names."),
    "INSTANCE_RESERVATION_FAILED": (
        _TRANSIENT,
        "No instance was free; start the run again later, or ask for other CPU, memory or GPU sizes.",
    ),
    "INVALID_ECR_IMAGE_URI": (_WORKFLOW, "Correct the container image URI in the workflow."),
    "INVALID_RUN_PARAMETERS": (
        _INPUT,
        "Correct the file that parameters_uri names: a JSON object with the parameters that the workflow takes, which "
        "the run's role can read; the status message says more.",
    ),
    "INVALID_TASK_RESOURCE_VALUE": (
        _WORKFLOW,
        "Correct the CPU, memory or GPU that the task asks for; they are outside what HealthOmics offers.",
    ),
    "INVALID_URI_INPUT": (_INPUT, "Correct the input URI: it is not a valid S3 or HealthOmics URI."),
    "MODIFIED_INPUT_RESOURCE": (
        _TRANSIENT,
        "An input changed while the run read it; start the run again once the input stays as it is.",
    ),
    "OUT_OF_MEMORY_ERROR": (_WORKFLOW, "Give the failed task more memory in the workflow."),
    "RUN_TASK_FAILED": (
        (FailureClass.WORKFLOW, Owner.WORKFLOW_OR_DATA),
        "Read the failed task's log: its tool ended with an error, often because of this sample's data.",
    ),
    "RUN_TIMED_OUT": (
        _WORKFLOW,
        "Raise the run group's maxDuration or the account's run duration quota, or make the run shorter.",
    ),
    "SERVICE_ERROR": (_TRANSIENT, "Start the run again; if it keeps failing, ask AWS Support."),
    "TASK_TIMED_OUT": (_WORKFLOW, "Raise the task's timeout in the workflow, or give it more resources."),
    "UNSUPPORTED_GPU_INSTANCE_TYPE": (_WORKFLOW, "Ask for a GPU type that this Region offers."),
    "UNSUPPORTED_INPUT_SIZE": (_INPUT, "The inputs are larger than the run can take; split or reduce them."),
    "WORKFLOW_RUN_FAILED": (
        (FailureClass.WORKFLOW, Owner.WORKFLOW_OR_DATA),
        "Read the engine log: the workflow itself ended with an error, outside any task.",
    ),
    "WORKFLOW_VER_VALIDATION_FAILED": (_WORKFLOW, "Correct the definition of this workflow version."),
}

KNOWN_CODES = frozenset(_TABLE)
"""The failure codes of runs and tasks that the HealthOmics User Guide and API reference name."""

PERMANENT_CODES = frozenset(
    {
        "CANNOT_START_CONTAINER_SIZE_ERROR",
        "INPUT_URI_NOT_FOUND",
        "INVALID_ECR_IMAGE_URI",
        "INVALID_RUN_PARAMETERS",
        "INVALID_TASK_RESOURCE_VALUE",
        "INVALID_URI_INPUT",
        "UNSUPPORTED_GPU_INSTANCE_TYPE",
        "UNSUPPORTED_INPUT_SIZE",
        "WORKFLOW_VER_VALIDATION_FAILED",
        # Reasons of submissions, which the service itself does not try again either.
        "ResourceNotFoundException",
        "ValidationException",
    }
)
"""Why a run or a submission failed that no retry mends, as long as inputs and workflow stay as they are.

Not among them is what may end otherwise by itself, or once a permission was given or an archived input was restored:
what a task's tool says of the data (``RUN_TASK_FAILED``) may be chance, as may be a lack of memory.
"""


@lru_cache(maxsize=256)
def advise(code: str | None) -> FailureAdvice:
    """Return what is known about a failure code; a code of a later release, or none, is of class unknown.

    See https://docs.aws.amazon.com/omics/latest/dev/workflows-run-errors.html
    """
    known = _TABLE.get(code or "")
    if known is None:
        return FailureAdvice(
            code=code or "",
            failure_class=FailureClass.UNKNOWN,
            owner=Owner.UNKNOWN,
            advice="Read the run's status message and its logs.",
        )
    (failure_class, owner), advice = known
    return FailureAdvice(code or "", failure_class, owner, advice, is_permanent=code in PERMANENT_CODES)


CANCELLED = FailureAdvice(
    "", FailureClass.CANCELLED, Owner.CANCELLER, "Try again if this was not meant to be cancelled."
)
"""About a run that was cancelled, and a sample whose batch was."""

DELETED = FailureAdvice(
    "", FailureClass.UNKNOWN, Owner.UNKNOWN, "The run was deleted: look at its outputs, or run the sample again."
)
"""About a run that is gone, whose end nobody can tell any more."""

UNPROVED = FailureAdvice(
    "", FailureClass.UNKNOWN, Owner.UNKNOWN, "Its end was not seen: look at the run and its outputs."
)
"""About a run that was not seen to end."""

NOT_SUBMITTED = FailureAdvice("", FailureClass.UNKNOWN, Owner.UNKNOWN, "Submit the sample again.")
"""About a sample that no batch submitted, for a reason that is not known."""

_QUOTA = (FailureClass.QUOTA, Owner.ACCOUNT)
_LATER = "Submit the sample again; the service gave up after its own retries."

_SUBMISSIONS: dict[str, tuple[tuple[FailureClass, Owner], str]] = {
    "ValidationException": (_INPUT, "Correct what the message names in the sample's settings."),
    "ResourceNotFoundException": (_INPUT, "Correct the id that the message names, such as a run group or a run cache."),
    "AccessDeniedException": (
        _PERMISSION,
        "Give the caller omics:StartRun and iam:PassRole, and the run's role what the message names.",
    ),
    "ServiceQuotaExceededException": (
        _QUOTA,
        "Wait for runs to end, delete old runs, or ask for a higher quota.",
    ),
    "ThrottlingException": (_TRANSIENT, _LATER),
    "RequestTimeoutException": (_TRANSIENT, _LATER),
    "InternalServerException": (_TRANSIENT, _LATER),
    "ConflictException": (_TRANSIENT, "Submit the sample again; the conflict resolves by itself."),
}

_BATCHES: tuple[tuple[re.Pattern[str], tuple[FailureClass, Owner], str], ...] = (
    (re.compile(r"runs is the max"), _INPUT, "Split the cohort into batches of fewer samples."),
    (re.compile(r"unique runSettingId"), _INPUT, "Give every sample a run setting id of its own."),
    (re.compile(r"invalid json", re.IGNORECASE), _INPUT, "Correct the file of run settings: a JSON array of objects."),
    (re.compile(r"\betag", re.IGNORECASE), _INPUT, "Leave the file of run settings as it is while the batch starts."),
    (re.compile(r"\b(retry|try again)\b", re.IGNORECASE), _TRANSIENT, "Start the batch again."),
)


@lru_cache(maxsize=256)
def advise_submission(reason: str | None) -> FailureAdvice:
    """Return what is known about why a batch could not start one of its runs.

    :param reason: ``submissionFailureReason`` of ListRunsInBatch.

    See https://docs.aws.amazon.com/omics/latest/dev/workflows-batch.html
    """
    known = _SUBMISSIONS.get(reason or "")
    if known is None:
        return FailureAdvice(reason or "", FailureClass.UNKNOWN, Owner.UNKNOWN, "See the message of the submission.")
    return FailureAdvice(reason or "", *known[0], known[1], is_permanent=reason in PERMANENT_CODES)


def advise_batch(text: str | None) -> FailureAdvice:
    """Return what is known about why a batch as a whole FAILED.

    :param text: ``failureReason`` of GetBatch, which is a sentence and no code.

    See https://docs.aws.amazon.com/omics/latest/dev/workflows-batch.html
    """
    for pattern, (failure_class, owner), advice in _BATCHES:
        if pattern.search(text or ""):
            return FailureAdvice("", failure_class, owner, advice)
    return FailureAdvice("", FailureClass.UNKNOWN, Owner.UNKNOWN, "See the batch's failure reason.")
