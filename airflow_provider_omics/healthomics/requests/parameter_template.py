"""What HealthOmics knows of a workflow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from airflow_provider_omics.healthomics.api.calls import Request, Requests
from airflow_provider_omics.healthomics.api.service_errors import error_code

Template = Mapping[str, Mapping[str, Any]]

# Nextflow takes it for granted, whether or not it is defined.
_ALWAYS_THERE = "standard"


@dataclass(frozen=True)
class WorkflowParameters:
    """The parameters that a workflow takes, by themselves and with each Nextflow profile, and where it defines them.

    :param template: ``parameterTemplate`` of GetWorkflow or GetWorkflowVersion; empty if the workflow has none.
    :param profile_templates: ``profileParameterTemplates``, by the names of profiles.
    :param profiles: names of all profiles; empty where they are not known.
    :param engine: ``WDL``, ``WDL_LENIENT``, ``CWL`` or ``NEXTFLOW``, where it is known.
    :param main: path of the main file in the definition.
    :param definition: link to the zipped definition, where it was asked for.
    """

    template: Template = field(default_factory=dict)
    profile_templates: Mapping[str, Template] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    engine: str | None = None
    main: str | None = None
    definition: str | None = None

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> WorkflowParameters:
        """Read an answer of GetWorkflow or GetWorkflowVersion."""
        templates = answer.get("profileParameterTemplates") or {}
        return cls(
            answer.get("parameterTemplate") or {},
            templates,
            tuple(answer.get("profiles") or ()),
            *(answer.get(name) for name in ("engine", "main", "definition")),
        )

    @property
    def names(self) -> frozenset[str]:
        """Names of all parameters that the workflow takes, with whatever profile."""
        return frozenset(self.template).union(*self.profile_templates.values())

    def with_profiles(self, names: Iterable[str]) -> Template:
        """Return the template of a run that chooses profiles.

        A parameter is known if the workflow or one of the profiles takes it. Required are those that the profiles
        require; whether a run needs what only the workflow itself requires is not documented, so that is left to the
        service.

        :param names: the profiles; those without a template of their own change nothing.
        """
        chosen = [self.profile_templates[name] for name in names if name in self.profile_templates]
        if not chosen:
            return self.template
        merged: dict[str, Mapping[str, Any]] = {name: {"optional": True} for name in self.template}
        for template in chosen:
            merged.update({name: about or {} for name, about in template.items()})
        optional = {name for template in chosen for name, about in template.items() if (about or {}).get("optional")}
        return {name: {"optional": True} if name in optional else about for name, about in merged.items()}

    def unknown_profiles(self, names: Iterable[str]) -> list[str]:
        """Return those of the names that are no profile of the workflow."""
        known = {*self.profiles, *self.profile_templates, _ALWAYS_THERE}
        return [name for name in names if name not in known] if self.profiles else []


def required_parameters(template: Template) -> set[str]:
    """Return the names of the parameters that a template does not call optional."""
    return {name for name, about in template.items() if not (about or {}).get("optional")}


def chosen_profiles(engine_settings: Any) -> tuple[str, ...]:
    """Return the Nextflow profiles that ``engineSettings`` chooses, a list with commas there."""
    chosen = engine_settings.get("profile") if isinstance(engine_settings, Mapping) else None
    if not isinstance(chosen, str):
        return ()
    return tuple(name.strip() for name in chosen.split(",") if name.strip())


def look_up_parameters(setting: Mapping[str, Any], *, definition: bool = False) -> Requests[WorkflowParameters]:
    """Return the parameters that the workflow of a run takes (GetWorkflow or GetWorkflowVersion).

    :param setting: members of StartRun or DefaultRunSetting that name the workflow.
    :param definition: whether to ask for a link to its definition too, if it can be had.
    """
    plain = _look_up_call(setting)
    if not definition:
        return WorkflowParameters.of((yield plain))
    try:
        answer = yield Request(plain.operation, {**plain.members, "export": ["DEFINITION"]})
    except ClientError as error:
        # Who may look at a workflow may not always have its definition.
        if error_code(error) != "ValidationException":
            raise
        answer = yield plain
    return WorkflowParameters.of(answer)


def _look_up_call(setting: Mapping[str, Any]) -> Request:
    members = {"type": setting.get("workflowType"), "workflowOwnerId": setting.get("workflowOwnerId")}
    given = {name: value for name, value in members.items() if value is not None}
    version = setting.get("workflowVersionName")
    if version is None:
        return Request("GetWorkflow", {"id": setting["workflowId"], **given})
    return Request("GetWorkflowVersion", {"workflowId": setting["workflowId"], "versionName": version, **given})
