"""The examples of the WDL specification: WDL, inputs and expected outputs, taken out of its text."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_EXAMPLE = re.compile(r"<details>(.*?)</details>", re.DOTALL)
_NAME = re.compile(r"Example: (\S+\.wdl)")
_WDL = re.compile(r"^```wdl\n(.*?)^```", re.DOTALL | re.MULTILINE)
_JSON = r"{title}:\s*```json\n(.*?)```"


class SuiteError(Exception):
    """The folder does not hold what is needed; the text says what is missing."""


@dataclass(frozen=True)
class Example:
    """One example.

    :ivar name: of its file.
    :ivar wdl: the definition.
    :ivar inputs: what it is run with; files are named as in the folder ``tests/data``.
    :ivar outputs: what it must put out; files by their names.
    :ivar must_fail: whether it is there to fail.
    :ivar not_compared: names of outputs that the specification does not want compared.
    """

    name: str
    wdl: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    must_fail: bool
    not_compared: frozenset[str]

    def differences(self, outputs: dict[str, Any]) -> Iterator[str]:
        """Yield what is not as expected in a run's outputs."""
        for name, expected in self.outputs.items():
            if name.rpartition(".")[2] in self.not_compared:
                continue
            if name not in outputs:
                yield f"{name} is missing"
            elif not _is_like(expected, outputs[name]):
                yield f"{name} is {json.dumps(outputs[name])}, and {json.dumps(expected)} is expected"


def read_examples(folder: Path) -> list[Example]:
    """Read the examples of a specification.

    :param folder: a checkout of the specification, with ``SPEC.md`` and ``tests/data``.
    :raises SuiteError: it is none.
    """
    specification = folder / "SPEC.md"
    if not specification.is_file() or not (folder / "tests" / "data").is_dir():
        raise SuiteError(f"{folder} has no SPEC.md and tests/data; give a checkout of openwdl/wdl, branch wdl-1.1")
    found = [_example(textwrap.dedent(text)) for text in _EXAMPLE.findall(specification.read_text(encoding="utf-8"))]
    examples = [example for example in found if example is not None]
    if not examples:
        raise SuiteError(f"{specification} has no examples that can be run; those of WDL 1.1 and later have")
    return examples


def _example(text: str) -> Example | None:
    # Some examples are indented as a whole, some only in part.
    text = "\n".join(line.removeprefix("  ") if "  ```wdl" in text else line for line in text.splitlines())
    name, wdl = _NAME.search(text), _WDL.search(f"{text}\n")
    if name is None or wdl is None:
        return None
    config = _block(text, "Test config")
    excluded = config.get("exclude_output", [])
    return Example(
        name=name.group(1),
        wdl=wdl.group(1),
        inputs=_block(text, "Example input"),
        outputs=_block(text, "Example output"),
        must_fail=bool(config.get("fail")) or name.group(1).endswith(("_fail.wdl", "_fail_task.wdl")),
        not_compared=frozenset([excluded] if isinstance(excluded, str) else excluded),
    )


def _block(text: str, title: str) -> dict[str, Any]:
    found = re.search(_JSON.format(title=title), text, re.DOTALL)
    block: dict[str, Any] = json.loads(found.group(1)) if found else {}
    return block


def _is_like(expected: Any, actual: Any) -> bool:
    """Whether a value is the expected one; a file is one of the same name."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(_is_like(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(_is_like, expected, actual))
    if isinstance(actual, str) and actual.startswith("s3://") and isinstance(expected, str):
        return actual.rpartition("/")[2] == expected.rpartition("/")[2]
    if isinstance(expected, float) and isinstance(actual, (int, float)) and not isinstance(actual, bool):
        return math.isclose(expected, actual, rel_tol=1e-6)
    return bool(expected == actual and isinstance(expected, bool) == isinstance(actual, bool))
