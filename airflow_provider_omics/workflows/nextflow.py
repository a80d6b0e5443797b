"""What the schema of a Nextflow pipeline says of its parameters."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_omics.healthomics.run_settings.definition_types import schema_groups
from airflow_provider_omics.workflows.bundle import Bundle, DefinitionError
from airflow_provider_omics.workflows.descriptions import description

SCHEMA = "nextflow_schema.json"


def nextflow_template(bundle: Bundle, main: str) -> dict[str, dict[str, Any]] | None:
    """Return the parameter template of a Nextflow pipeline; None if it has no schema.

    :param main: path of the main file; the schema is beside it.
    :raises DefinitionError: the schema cannot be read.
    """
    path = f"{main.rpartition('/')[0]}/{SCHEMA}".lstrip("/")
    if path not in bundle.files:
        return None
    try:
        return _template(read_json_file(bundle, path))
    except (AttributeError, TypeError) as error:
        what = f"is no schema of parameters: {error}"
        raise DefinitionError(path, what, "Make it anew with nf-core pipelines schema build") from error


def has_configuration(bundle: Bundle) -> bool:
    """Whether parameters may be declared, or have defaults, in a ``nextflow.config``, which only Nextflow reads."""
    return any(path.rpartition("/")[2] == "nextflow.config" for path in bundle.files)


def _template(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    groups = [group for group in schema_groups(schema) if isinstance(group, dict)]
    if any(isinstance(group.get("required"), str) for group in groups):
        raise TypeError("required is text, and not a list of names")
    required = {name for group in groups for name in group.get("required") or ()}
    members = {name: about for group in groups for name, about in (group.get("properties") or {}).items()}
    return {
        name: {
            **description(about.get("description") or about.get("help_text")),
            "optional": name not in required or "default" in about,
        }
        for name, about in members.items()
        if isinstance(about, dict)
    }


def read_json_file(bundle: Bundle, path: str) -> dict[str, Any]:
    """Return the JSON object that a file of a definition holds.

    :raises DefinitionError: it holds none.
    """
    try:
        content = json.loads(bundle.text(path))
    except RecursionError:
        raise DefinitionError(f"{path}:1", "is nested too deeply to be read", "Nest it less") from None
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}:{error.colno}"
        raise DefinitionError(where, f"is not JSON: {error.msg}", "Correct the syntax") from error
    if not isinstance(content, dict):
        raise DefinitionError(f"{path}:1", f"is {type(content).__name__}, not an object", "Put it into braces")
    return content
