"""Comparing the parameters of run settings with the parameter template of the workflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from airflow_provider_omics.healthomics.model import Issue
from airflow_provider_omics.healthomics.run_settings.cohort import Cohort

_SHOWN = 5
_SHOWN_NAMES = 20
# A cohort can have as many unknown names as it has cells.
_MAX_NAMES = 100


@dataclass
class _Offenders:
    """Run settings that share a problem with one parameter: their number, and the first of them."""

    count: int
    first: list[int]


class _Tally:
    """Which parameters are a problem in which run settings."""

    def __init__(self) -> None:
        self.names: dict[str, _Offenders] = {}
        self.other_names = 0

    def note(self, name: str, index: int) -> None:
        if name not in self.names and len(self.names) == _MAX_NAMES:
            self.other_names += 1
            return
        offenders = self.names.setdefault(name, _Offenders(0, []))
        offenders.count += 1
        if len(offenders.first) < _SHOWN:
            offenders.first.append(index)


def template_issues(cohort: Cohort, template: Mapping[str, Any] | None) -> list[Issue]:
    """Compare the names of all parameters with those that a workflow takes.

    :param cohort: the run settings; its file is read once.
    :param template: ``parameterTemplate`` of GetWorkflow or GetWorkflowVersion; none checks nothing.
    :return: every required parameter that is missing and every unknown one, with the run settings concerned.

    See https://docs.aws.amazon.com/omics/latest/api/API_WorkflowParameter.html
    """
    if not template:
        return []
    required = {name for name, about in template.items() if not (about or {}).get("optional")}
    required -= cohort.default_parameters
    missing, unknown = _Tally(), _Tally()
    for index, setting in enumerate(cohort.settings()):
        own = (setting.get("parameters") or {}).keys()
        for name in required - own:
            missing.note(name, index)
        for name in own - template.keys():
            unknown.note(name, index)
    issues = [
        Issue(f"parameters.{name}", f"is required by the workflow and missing in {_of(cohort, offenders)}", _ADD)
        for name, offenders in sorted(missing.names.items())
    ]
    issues.extend(
        Issue(f"parameters.{name}", "is given for all runs, and the workflow does not take it", _fix(name, template))
        for name in sorted(cohort.default_parameters - template.keys())
    )
    issues.extend(
        Issue(
            f"parameters.{name}",
            f"is not a parameter of the workflow, and is given in {_of(cohort, offenders)}",
            _fix(name, template),
        )
        for name, offenders in sorted(unknown.names.items())
    )
    return issues + _others(missing, "are missing") + _others(unknown, "are unknown")


_ADD = "Give it there, or in parameters for all runs"


def _of(cohort: Cohort, offenders: _Offenders) -> str:
    if offenders.count == cohort.count:
        return "every run setting"
    places = ", ".join(cohort.place(index) for index in offenders.first)
    more = offenders.count - len(offenders.first)
    rest = f" and {more:,} more" if more else ""
    return f"{offenders.count:,} of {cohort.count:,} run settings: {places}{rest}"


def _fix(name: str, template: Mapping[str, Any]) -> str:
    likely = get_close_matches(name, template, n=1)
    if likely:
        return f"Write it as {likely[0]}, or leave it out"
    names = sorted(template)
    rest = ", ..." if len(names) > _SHOWN_NAMES else ""
    return f"Leave it out; the workflow takes {', '.join(names[:_SHOWN_NAMES])}{rest}"


def _others(tally: _Tally, what: str) -> list[Issue]:
    if not tally.other_names:
        return []
    return [Issue("parameters", f"{tally.other_names:,} more of other names {what}", "Mend those above, and try again")]
