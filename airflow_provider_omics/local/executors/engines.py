"""The engines that really run workflows here, and which workflow is for which of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from shutil import which
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_omics.local.records import Workflow


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs the workflows of a language.

    :ivar language: what its workflows are written in.
    :ivar tool: name of the program, for log lines.
    :ivar module: of the package that the program is; None for one that is looked for on the PATH.
    :ivar extra: the extra of this distribution that installs it; None where none does.
    :ivar job: module beside this one that carries a run out, with ``preload()`` and ``run(connection)``.
    """

    language: str
    tool: str
    module: str | None
    extra: str | None
    job: str

    def is_installed(self) -> bool:
        """Whether the program is there; it is not loaded."""
        return (which(self.tool) if self.module is None else find_spec(self.module)) is not None


CWLTOOL = Engine("CWL", "cwltool", "cwltool", "local", "cwl_job")
MINIWDL = Engine("WDL", "miniwdl", "WDL", "local-wdl", "wdl_job")
NEXTFLOW = Engine("Nextflow", "nextflow", None, None, "nextflow_job")
READERS: Mapping[str, Engine] = MappingProxyType({"CWL": CWLTOOL, "WDL": MINIWDL, "WDL_LENIENT": MINIWDL})
"""The engines that read definitions, too, by the names that the API has for them."""
ENGINES: Mapping[str, Engine] = MappingProxyType({**READERS, "NEXTFLOW": NEXTFLOW})
"""All engines by the names that the API has for them."""


def is_runnable(workflow: Workflow, engines: Collection[str] = tuple(ENGINES)) -> bool:
    """Whether a workflow can really be run here: a private one of these engines that has its definition."""
    return workflow.engine in engines and workflow.workflow_type == "PRIVATE" and workflow.definition_zip is not None


def installed_engines(*, nextflow: bool = False) -> tuple[str, ...]:
    """Return the API's names of the engines whose programs are installed.

    :param nextflow: whether Nextflow, which is not used unasked, is one of them.
    """
    wanted = ENGINES if nextflow else READERS
    return tuple(name for name, engine in wanted.items() if engine.is_installed())
