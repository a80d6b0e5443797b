"""Comparing the parameters of run settings with the parameter template of the workflow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from airflow_provider_omics.healthomics.api.spelling import advice
from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.requests.parameter_template import (
    Template,
    WorkflowParameters,
    chosen_profiles,
    required_parameters,
)
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


class _Comparison:
    """The run settings that choose the same profiles, and how they differ from what the workflow takes then."""

    def __init__(self, template: Template, defaults: frozenset[str]) -> None:
        self.template = template
        self.required = required_parameters(template) - defaults
        self.missing, self.unknown = _Tally(), _Tally()
        self.wrong_defaults = sorted(defaults - template.keys()) if template else []

    def differences(self, own: frozenset[str]) -> list[tuple[_Tally, str]]:
        """Return each parameter that samples of one shape lack, or have too much, with where to count it."""
        if not self.template:
            return []
        missing = [(self.missing, name) for name in self.required - own]
        return missing + [(self.unknown, name) for name in own - self.template.keys()]


def template_issues(cohort: Cohort, workflow: WorkflowParameters, engine_settings: Any = None) -> list[Issue]:
    """Compare the names of all parameters with those that a workflow takes, with the Nextflow profiles that are chosen.

    :param cohort: the run settings.
    :param workflow: what the workflow takes; without any template nothing is checked.
    :param engine_settings: ``engineSettings`` of the runs that have none of their own.
    :return: every required parameter that is missing, every unknown one, and every unknown profile, with the run
        settings concerned.

    See https://docs.aws.amazon.com/omics/latest/api/API_WorkflowParameter.html
    """
    if not (workflow.template or workflow.profile_templates or workflow.profiles):
        return []
    comparisons: dict[tuple[str, ...], _Comparison] = {}
    strangers = _Tally()
    found: list[list[tuple[_Tally, str]]] = []
    for names, own_profiles in cohort.shapes.kinds:
        profiles = chosen_profiles(engine_settings) if own_profiles is None else own_profiles
        key = tuple(name for name in profiles if name in workflow.profile_templates)
        if key not in comparisons:
            comparisons[key] = _Comparison(workflow.with_profiles(key), cohort.default_parameters)
        unknown = [(strangers, name) for name in workflow.unknown_profiles(profiles)]
        found.append(unknown + comparisons[key].differences(names))
    for index, shape in enumerate(cohort.shapes.of_samples):
        for tally, name in found[shape]:
            tally.note(name, index)
    issues = _profile_issues(cohort, workflow, strangers)
    for profiles, comparison in comparisons.items():
        issues += _issues(cohort, comparison, f" with profile {','.join(profiles)}" if profiles else "")
    return issues


def _profile_issues(cohort: Cohort, workflow: WorkflowParameters, strangers: _Tally) -> list[Issue]:
    issues = [
        Issue(
            "engineSettings.profile",
            f"{name!r} is not a profile of the workflow, and is chosen in {_of(cohort, offenders)}",
            _fix(name, workflow.profiles, "has"),
        )
        for name, offenders in sorted(strangers.names.items())
    ]
    return issues + _others(strangers, "are no profiles", "engineSettings.profile")


def _issues(cohort: Cohort, comparison: _Comparison, profile: str) -> list[Issue]:
    template = comparison.template
    issues = [
        Issue(
            f"parameters.{name}", f"is required by the workflow{profile} and missing in {_of(cohort, offenders)}", _ADD
        )
        for name, offenders in sorted(comparison.missing.names.items())
    ]
    issues.extend(
        Issue(
            f"parameters.{name}",
            f"is given for all runs, and the workflow does not take it{profile}",
            _fix(name, template),
        )
        for name in comparison.wrong_defaults
    )
    issues.extend(
        Issue(
            f"parameters.{name}",
            f"is not a parameter of the workflow{profile}, and is given in {_of(cohort, offenders)}",
            _fix(name, template),
        )
        for name, offenders in sorted(comparison.unknown.names.items())
    )
    return issues + _others(comparison.missing, "are missing") + _others(comparison.unknown, "are unknown")


_ADD = "Give it there, or in parameters for all runs"


def _of(cohort: Cohort, offenders: _Offenders) -> str:
    if offenders.count == cohort.count:
        return "every run setting"
    places = ", ".join(cohort.place(index) for index in offenders.first)
    more = offenders.count - len(offenders.first)
    rest = f" and {more:,} more" if more else ""
    return f"{offenders.count:,} of {cohort.count:,} run settings: {places}{rest}"


def _fix(name: str, known: Iterable[str], verb: str = "takes") -> str:
    names = sorted(known)
    rest = ", ..." if len(names) > _SHOWN_NAMES else ""
    return f"{advice(name, names)}Leave it out; the workflow {verb} {', '.join(names[:_SHOWN_NAMES])}{rest}"


def _others(tally: _Tally, what: str, where: str = "parameters") -> list[Issue]:
    if not tally.other_names:
        return []
    return [Issue(where, f"{tally.other_names:,} more of other names {what}", "Mend those above, and try again")]
