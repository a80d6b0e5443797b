"""What HealthOmics knows of a workflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_omics.healthomics.calls import Call, Steps


def look_up_parameter_template(setting: Mapping[str, Any]) -> Steps[Mapping[str, Any] | None]:
    """Return the parameter template of the workflow that a run would use (GetWorkflow or GetWorkflowVersion).

    :param setting: members of StartRun or DefaultRunSetting that name the workflow.
    :return: name of each parameter with its ``description`` and ``optional``; None where the workflow has no template.
    """
    members = {"type": setting.get("workflowType"), "workflowOwnerId": setting.get("workflowOwnerId")}
    given = {name: value for name, value in members.items() if value is not None}
    version = setting.get("workflowVersionName")
    if version is None:
        answer = yield Call("GetWorkflow", {"id": setting["workflowId"], **given})
    else:
        names = {"workflowId": setting["workflowId"], "versionName": version}
        answer = yield Call("GetWorkflowVersion", {**names, **given})
    template: Mapping[str, Any] | None = answer.get("parameterTemplate")
    return template
