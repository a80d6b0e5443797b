"""What each failure code of a run means: what kind of failure it is, who can act, and what they should do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FailureClass(StrEnum):
    """Kind of failure, by what would mend it."""

    TRANSIENT = "transient"
    INPUT = "input"
    WORKFLOW = "workflow"
    PERMISSION = "permission"
    QUOTA = "quota"
    UNKNOWN = "unknown"

    @property
    def retry_may_help(self) -> bool:
        """Whether the same run, started again unchanged, has a chance to end better."""
        return self in (FailureClass.TRANSIENT, FailureClass.QUOTA, FailureClass.UNKNOWN)


class Owner(StrEnum):
    """Who can act on a failure."""

    DATA = "whoever provides the input data"
    WORKFLOW = "the author of the workflow"
    WORKFLOW_OR_DATA = "the author of the workflow, or whoever provides the input data"
    ACCOUNT = "the administrator of the AWS account"
    SERVICE = "AWS"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class FailureAdvice:
    """What is known about a failure code.

    :param code: the code, as GetRun's ``failureReason`` gives it.
    :param failure_class: what kind of failure it is.
    :param owner: who can act.
    :param advice: what they should do, as one sentence.
    """

    code: str
    failure_class: FailureClass
    owner: Owner
    advice: str


_INPUT = (FailureClass.INPUT, Owner.DATA)
_WORKFLOW = (FailureClass.WORKFLOW, Owner.WORKFLOW)
_PERMISSION = (FailureClass.PERMISSION, Owner.ACCOUNT)
_TRANSIENT = (FailureClass.TRANSIENT, Owner.SERVICE)

_TABLE: dict[str, tuple[tuple[FailureClass, Owner], str]] = {
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
"""The run failure codes of the HealthOmics User Guide, page workflows-run-errors."""


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
    return FailureAdvice(code=code or "", failure_class=failure_class, owner=owner, advice=advice)
