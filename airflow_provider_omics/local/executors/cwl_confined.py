"""Keeps cwltool to the files of one run: what it stages, reads and collects lies below one folder.

The kernel refuses what is written elsewhere, where it can (:mod:`.sandbox`); this is what says why, and what holds
where it cannot.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from cwltool.context import RuntimeContext
from cwltool.errors import WorkflowException
from cwltool.pathmapper import PathMapper
from cwltool.stdfsaccess import StdFsAccess
from schema_salad.ref_resolver import uri_file_path

from airflow_provider_omics.local.executors.run_folder import MOST_OUTPUTS, TOO_MANY_OUTPUTS, RunFolder

_ADVICE = "name files relative to the definition, or give them as parameters with s3:// URIs"


class RunBoundary:
    """What belongs to a run.

    :param path: the run's folder.
    :ivar folder: the same, to open files in it.
    """

    def __init__(self, path: Path) -> None:
        self.folder = RunFolder(path)

    def has(self, path: str) -> bool:
        """Whether a path, with all links in it followed, lies in the folder."""
        return Path(os.path.realpath(path)).is_relative_to(self.folder.path)

    def check_read(self, path: str) -> None:
        """Check that a file may be read.

        :raises WorkflowException: it is outside of the run's folder.
        """
        if not self.has(path):
            raise WorkflowException(f"{path!r} is outside of the run's folder; {_ADVICE}")

    def check_written(self, path: str) -> None:
        """Check that a file may be made.

        :raises WorkflowException: it is outside of the run's folder.
        """
        if not self.has(path):
            raise WorkflowException(
                f"the file name {os.path.normpath(path)!r} is outside of the run's folder; runs have no container "
                "here, so that names have to be relative to the working directory"
            )

    def check_outputs(self, value: Any) -> None:
        """Check that no File or Directory in a value is, or holds, a link out of the folder, a device or a pipe.

        :raises WorkflowException: one is, or there are more than 100,000 of them.
        """
        numbers = itertools.count(1)
        for path in _paths(value):
            for each in itertools.chain([path], path.rglob("*")):
                self.check_output(each)
                if next(numbers) > MOST_OUTPUTS:
                    raise WorkflowException(TOO_MANY_OUTPUTS)

    def check_output(self, path: Path) -> None:
        """Check that what a task has made is a file or a directory in the run's folder.

        :raises WorkflowException: it is not.
        """
        if not self.has(str(path)):
            raise WorkflowException(
                f"the output {path.name!r} leads to {os.path.realpath(path)!r}, which is outside of the run's folder"
            )
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise WorkflowException(f"the output {path.name!r} is neither a file nor a directory")


def confine_running(context: RuntimeContext, folder: Path) -> RunBoundary:
    """Have a runtime context stage, read and collect files of one run only.

    :param folder: the run's folder.
    """
    boundary = RunBoundary(folder)

    class ConfinedPathMapper(PathMapper):
        def visit(self, obj: Any, stagedir: str, basedir: str, copy: bool = False, staged: bool = False) -> None:
            super().visit(obj, stagedir, basedir, copy, staged)
            entry = self._pathmap.get(obj["location"])
            if entry is None or entry.type is None:
                return
            boundary.check_written(entry.target)
            if not entry.type.startswith("Create") and not entry.resolved.startswith(("_:", "http:", "https:")):
                boundary.check_read(entry.resolved)

    class ConfinedFiles(StdFsAccess):
        def open(self, fn: str, mode: str) -> IO[Any]:
            boundary.check_read(self._abs(fn))
            return super().open(fn, mode)

        def glob(self, pattern: str) -> list[str]:
            found = super().glob(pattern)
            if len(found) > MOST_OUTPUTS:
                raise WorkflowException(TOO_MANY_OUTPUTS)
            for each in found:
                boundary.check_output(Path(uri_file_path(each)))
            return found

        def listdir(self, fn: str) -> list[str]:
            boundary.check_read(self._abs(fn))
            return super().listdir(fn)

    context.path_mapper = ConfinedPathMapper
    context.make_fs_access = ConfinedFiles
    return boundary


def _paths(value: Any) -> Iterator[Path]:
    if isinstance(value, list):
        for item in value:
            yield from _paths(item)
    elif isinstance(value, dict):
        location = str(value.get("location"))
        if value.get("class") in ("File", "Directory") and location.startswith("file:"):
            yield Path(uri_file_path(location))
        for inner in value.values():
            yield from _paths(inner)
