"""The conformance tests of CWL, as the suite's folder has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

INDEX = "conformance_tests.yaml"
REQUIRED = "required"


class SuiteError(Exception):
    """The folder has no suite that can be read; the text says why."""


@dataclass(frozen=True)
class ConformanceTest:
    """One test of the suite.

    :ivar tool: path of the definition below the suite's folder, maybe with the process in it after ``#``.
    :ivar job: path of the inputs; None where there are none.
    :ivar output: what has to come out; None where the definition or its run has to fail.
    """

    name: str
    doc: str
    tool: str
    job: str | None
    output: dict[str, Any] | None
    tags: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_required(self) -> bool:
        """Whether every engine has to pass it."""
        return REQUIRED in self.tags


def read_suite(folder: Path) -> list[ConformanceTest]:
    """Read the tests of a suite, in its order.

    :param folder: a checkout of the repository that has the suite.
    :raises SuiteError: it is none.
    """
    return list(_tests(folder.resolve(), folder.resolve() / INDEX))


def read_document(path: Path) -> Any:
    """Read YAML 1.2 or JSON.

    :raises SuiteError: it cannot be read.
    """
    try:
        return YAML(typ="safe", pure=True).load(path)
    except (OSError, YAMLError) as error:
        raise SuiteError(f"{path} cannot be read: {error}") from error


def _tests(root: Path, index: Path) -> Iterator[ConformanceTest]:
    entries = read_document(index)
    if not isinstance(entries, list):
        raise SuiteError(f"{index} is no list of tests")
    for entry in entries:
        if "$import" in entry:
            yield from _tests(root, index.parent / entry["$import"])
        else:
            yield _test(root, index.parent, entry)


def _test(root: Path, folder: Path, entry: dict[str, Any]) -> ConformanceTest:
    tool, mark, process = str(entry["tool"]).partition("#")
    job = entry.get("job")
    return ConformanceTest(
        name=str(entry.get("id") or entry.get("label")),
        doc=" ".join(str(entry.get("doc", "")).split()),
        tool=f"{_below(root, folder / tool)}{mark}{process}",
        job=None if job is None else _below(root, folder / job),
        output=None if entry.get("should_fail") else _imported(folder, entry.get("output") or {}),
        tags=frozenset(entry.get("tags") or ()),
    )


def _imported(folder: Path, output: dict[str, Any]) -> dict[str, Any]:
    return read_document(folder / output["$import"]) if output.keys() == {"$import"} else output


def _below(root: Path, path: Path) -> str:
    return path.resolve().relative_to(root).as_posix()
