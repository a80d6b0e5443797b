"""Types of a sheet's columns from the workflow's definition: read once for a task instance, kept for its retries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from airflow_provider_omics.healthomics.api.logger import Log, entry
from airflow_provider_omics.healthomics.requests.parameter_template import WorkflowParameters
from airflow_provider_omics.healthomics.run_settings.definition_types import definition_types, download, is_supported
from airflow_provider_omics.hooks.omics import OmicsHook

_MISSING_PARSER = (
    "The types of the parameters of workflow %s are not read from its definition: that needs miniwdl, which is not "
    "installed"
)
# As good as none: their cells are text anyway.
_TEXTS = frozenset({"string", "file", "directory"})
_UNREADABLE = (
    "The types of the parameters of workflow %s cannot be read from its definition: %s. Cells stay text where "
    "parameter_types says nothing else"
)


def types_uri(settings_place: str, task_instance: str, setting: Mapping[str, Any]) -> str:
    """Return where the types are kept that a task instance takes from a definition.

    :param settings_place: folder of the files of run settings.
    :param task_instance: name of the task instance.
    :param setting: the ``defaultRunSetting`` of the batch.
    """
    named = json.dumps([task_instance, setting.get("workflowId"), setting.get("workflowVersionName")])
    return f"{settings_place}/parameter-types/{hashlib.sha256(named.encode()).hexdigest()[:40]}.json"


def look_up_types(
    hook: OmicsHook, uri: str, workflow_id: str, workflow: WorkflowParameters, log: Log
) -> Mapping[str, str]:
    """Return the types that the definition of a workflow states, as far as they can be had.

    A sample whose values have other types is another sample, so what the first try found holds for all later ones,
    also that nothing could be read.

    :param uri: where they are kept.
    :param workflow: what GetWorkflow said, with a link to the definition if there is one.
    """
    if workflow.engine is None:
        return {}
    if not is_supported(workflow.engine):
        log.info("%s", entry(_MISSING_PARSER, workflow_id))
        return {}
    if hook.storage.exists(uri):
        return _kept(hook, uri)
    types, why_none = _read(workflow.engine, workflow.main, workflow.definition)
    if why_none is not None:
        log.info("%s", entry(_UNREADABLE, workflow_id, why_none))
    elif _TEXTS.issuperset(types.values()):
        return types
    hook.storage.put_all_once([(uri, json.dumps(types, sort_keys=True).encode())], "application/json")
    return _kept(hook, uri)


def _read(engine: str, main: str | None, link: str | None) -> tuple[dict[str, str], str | None]:
    if not link:
        return {}, "the service gives no link to it"
    try:
        return definition_types(download(link), engine, main), None
    except Exception as error:  # it may be anything that somebody zipped, and what is only a help never fails a task
        return {}, str(error) or type(error).__name__


def _kept(hook: OmicsHook, uri: str) -> Mapping[str, str]:
    with hook.storage.open(uri) as stream:
        types: dict[str, str] = json.load(stream)
    return types
