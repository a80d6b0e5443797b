"""Checks WDL definitions where miniwdl is installed, which is loaded with the first of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow_provider_omics.workflows.wdl_template import wdl_template

log = logging.getLogger(__name__)

# Nothing is unpacked to be checked.
_ROOT = Path("/definition")


def wdl_parameters(files: Mapping[str, bytes], main: str, engine: str) -> dict[str, dict[str, Any]]:
    """Check a definition, and return the parameter template that its inputs make.

    :param files: the definition's files by their paths.
    :param main: path of the main file.
    :param engine: WDL or WDL_LENIENT.
    :return: ``{name: {description, optional}}``; empty where miniwdl is not installed and nothing is checked.
    :raises DefinitionError: with miniwdl's message.
    """
    if find_spec("WDL") is None:
        _tell_that_nothing_is_checked()
        return {}
    from airflow_provider_omics.local.workflows.wdl_loading import load_definition

    return wdl_template(load_definition(files, _ROOT, main, lenient=engine == "WDL_LENIENT"))


@cache
def _tell_that_nothing_is_checked() -> None:
    log.warning(
        "WDL definitions are not checked, and WDL runs are simulated, since miniwdl is not installed: "
        "pip install 'airflow-provider-omics[local-wdl]'"
    )
