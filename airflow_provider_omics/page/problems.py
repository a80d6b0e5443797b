"""Problems of the page, said as what is wrong and what to do, without credentials."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from botocore.exceptions import BotoCoreError, ClientError

from airflow_provider_omics.healthomics.api.calls import failed_operation
from airflow_provider_omics.healthomics.api.service_errors import Explanation, OmicsServiceError, explain
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.page.progress import ForeignBatchError
from airflow_provider_omics.page.sample_table import NotATableError
from airflow_provider_omics.page.shared_calls import BusyError

_log = logging.getLogger(__name__)
_SECRETS = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b|(?<=://)[^/@\s]+:[^/@\s]+(?=@)")


@dataclass(frozen=True)
class Problem:
    """What is wrong, and what to do about it.

    :param code: short name, for whoever reports it.
    """

    code: str
    what: str
    remedy: str

    def to_json(self) -> dict[str, Any]:
        """Return the problem as JSON values."""
        return {"code": self.code, "what": _SECRETS.sub("***", self.what), "remedy": _SECRETS.sub("***", self.remedy)}


NOT_A_COHORT = Problem(
    "NotACohort",
    "This task has started no HealthOmics batch.",
    "Open the page from a task of OmicsStartRunBatchOperator that has begun and pushes XComs.",
)
FORGOTTEN = Problem(
    "ArgumentsForgotten",
    "Airflow does not know any more what this task was given, and so not its connection either.",
    "Airflow keeps that for a task's last DAG runs only; raise [core] max_num_rendered_ti_fields_per_task to see more.",
)
NO_PLACE = Problem(
    "NoResultsPlace",
    "Where the results table of this task is cannot be explained from its arguments.",
    "See the task's log, which names it at the end.",
)


def problem_of(error: BaseException) -> Problem:
    """Return what an error of a call means for the viewer; what nobody expects is logged with its traceback."""
    if isinstance(error, OmicsServiceError):
        return _explained(error.explanation)
    if isinstance(error, (ClientError, BotoCoreError, AirflowNotFoundException)):
        return _explained(explain(error, failed_operation(error) or "Connecting", "this cohort"))
    known = _known(error)
    if known is not None:
        return known
    _log.error("The page of a cohort failed", exc_info=error)
    return Problem(
        type(error).__name__, "Something went wrong that nobody expected.", "See the log of Airflow's API server."
    )


def _explained(found: Explanation) -> Problem:
    return Problem(found.code, f"{found.operation} for {found.subject} failed: {found.message}", found.remedy)


def _known(error: BaseException) -> Problem | None:
    if isinstance(error, ForeignBatchError):
        return Problem(
            "ForeignBatch",
            f"Batch {error} does not say that it was started by this task: it has no such tags.",
            "Nothing of it is shown, since an XCom could name any batch. Leave identity_tags of the task on, and give "
            "Airflow's API server the same [omics] namespace as its workers.",
        )
    if isinstance(error, NotATableError):
        return Problem("NotATable", f"The results table cannot be shown: {error}.", "Read the object in S3 itself.")
    if isinstance(error, BusyError):
        return Problem("Busy", "Too many calls to AWS are waiting.", "The page tries again by itself.")
    if isinstance(error, OmicsRequestInvalidError):
        return Problem("InvalidSetting", str(error), "Correct the setting that the message names.")
    return None
