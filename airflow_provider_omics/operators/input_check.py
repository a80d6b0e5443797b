"""Check of inputs in S3 before anything is submitted: logged, or refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_omics.exceptions import OmicsError
from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.requests.input_objects import InputObjects
from airflow_provider_omics.healthomics.requests.issues import OmicsRequestInvalidError
from airflow_provider_omics.healthomics.requests.levels import FAIL
from airflow_provider_omics.hooks.input_check import InputReport, describe_unknown, look_for_inputs

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook

_MOST_LOGGED = 20


@dataclass(frozen=True)
class InputCheck:
    """Check of inputs.

    :param operation: API operation that would be sent.
    :param level: ``warn`` or ``fail``.
    :param seconds: how long to go on.
    :param unchecked: what becomes of inputs that could not be checked, for the log.
    :param is_killed: whether the task was killed.
    """

    hook: OmicsHook
    log: Log
    operation: str
    level: str
    seconds: float
    unchecked: str
    is_killed: Callable[[], bool]

    def check(self, objects: InputObjects) -> None:
        """Look for inputs, and log or refuse what is wrong with them.

        :raises OmicsRequestInvalidError: inputs are missing, archived or denied, and that is refused.
        :raises OmicsError: the task was killed meanwhile.
        """
        if not objects.count:
            return
        self.log.info("Looking for %s inputs in S3 (check_inputs)", f"{objects.count:,}")
        client = self.hook.input_check_client()
        report = look_for_inputs(client, objects, seconds=self.seconds, log=self.log, is_killed=self.is_killed)
        if self.is_killed():
            raise OmicsError("The task was killed while its inputs were looked for; nothing was submitted")
        unknown = describe_unknown(report, objects)
        if unknown is not None:
            self.log.warning("%s", entry("%s. %s", unknown, self.unchecked))
        if report.problems and self.level == FAIL:
            raise OmicsRequestInvalidError(self.operation, report.issues, report.problems)
        self._log_report(report, is_whole=unknown is None)

    def _log_report(self, report: InputReport, *, is_whole: bool) -> None:
        for issue in report.issues[:_MOST_LOGGED]:
            self.log.warning("%s", entry(str(issue)))
        more = report.problems - min(_MOST_LOGGED, len(report.issues))
        if more > 0:
            self.log.warning("%s more inputs have problems", f"{more:,}")
        if is_whole and not report.problems:
            self.log.info("All %s inputs are there", f"{report.checked:,}")
