"""Reads the scripts of a Nextflow pipeline as far as that needs no Nextflow: brackets, quotation marks, includes."""

from __future__ import annotations

import codecs
import posixpath
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.healthomics.run_settings.groovy_text import GroovyText
from airflow_provider_omics.workflows.bundle import Bundle, DefinitionError

CONFIGURATION = "nextflow.config"
_INCLUDE = re.compile(r"(?:^|;)[ \t]*(?P<include>include)\s*\{(?P<names>[^{}]*)\}\s*from\s*(?P<path>')", re.MULTILINE)
_INCLUDE_CONFIG = re.compile(
    r"(?:^|;)[ \t]*(?P<include>includeConfig)[ \t]*(?P<bracket>\(?)\s*(?P<path>')", re.MULTILINE
)
# After anything else the path is put together while it runs.
_END = re.compile(r"[ \t]*(?:;|addParams\b|params\b|\r?\n(?!\s*[.?:+*/&|-]))")
_END_IN_BRACKETS = re.compile(rf"\s*\){_END.pattern}")
_CONDITION = re.compile(r"\b(?:if|while|for)\s*$")
_NAME = re.compile(r"\s*(?P<name>\w+)(?:\s+as\s+\w+)?\s*")
_WORD = re.compile(r"\w+")
_MERGE = re.compile(r"^<{7} ", re.MULTILINE)
_MERGE_GOES_ON = tuple(re.compile(pattern, re.MULTILINE) for pattern in (r"^={7}\r?$", r"^>{7} "))


def source_issues(bundle: Bundle, main: str) -> list[Issue]:
    """Return what is wrong with the scripts that a run reads: the main one, what it includes, and the configuration.

    What may be right is not told, since a pipeline with an issue is refused.

    :param main: path of the main script; the configuration is beside it.
    """
    return _Sources(bundle).read(main)


class _Source:
    """A script or a configuration.

    :ivar groovy: its code.
    """

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self._text = text
        self.groovy = GroovyText(text)

    def issues(self) -> Iterator[Issue]:
        """Yield what is wrong with it: the first thing, after which nothing is where it seems."""
        problem = self.groovy.problem
        merge = _MERGE.search(self.groovy.code if problem is None else self._text)
        merge = merge or _whole_merge(self.groovy.without_comments())
        if merge is not None:
            what = "is left of a merge that was not finished"
            yield Issue(self.place(merge.start()), what, "Choose one of both texts")
        elif problem is not None:
            what = problem.what.replace("{place}", self.place(problem.other))
            yield Issue(self.place(problem.index), what, problem.fix)

    def place(self, index: int) -> str:
        """Return file, line and column of a character."""
        line = bisect_left(self._line_ends, index)
        return f"{self.path}:{line + 1}:{index - (self._line_ends[line - 1] if line else -1)}"

    @cached_property
    def _line_ends(self) -> list[int]:
        return [match.start() for match in re.finditer("\n", self._text)]

    def includes(self, pattern: re.Pattern[str]) -> Iterator[tuple[re.Match[str], str]]:
        """Yield the statements that are certain to include a certain file, and its path as written."""
        for match in pattern.finditer(self.groovy.code):
            target, end = self.groovy.quoted(match.start("path"))
            ends = _END_IN_BRACKETS if match.groupdict().get("bracket") else _END
            if target and ends.match(self.groovy.code, end) and not self._is_conditional(match.start("include")):
                yield match, target

    def _is_conditional(self, index: int) -> bool:
        if self.groovy.depth(index):
            return True
        code = self.groovy.code
        while index and code[index - 1].isspace():
            index -= 1
        opened = self.groovy.opened(index - 1)
        if opened is not None and code[index - 1] == ")":
            return _CONDITION.search(code, max(0, opened - 20), opened) is not None
        return code.endswith("else", 0, index)


@dataclass
class _Sources:
    bundle: Bundle
    _issues: list[Issue] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _words: dict[str, frozenset[str]] = field(default_factory=dict)

    def read(self, main: str) -> list[Issue]:
        waiting = [main]
        while waiting:
            waiting += self._new(waiting.pop(), self._script)
        configuration = posixpath.join(posixpath.dirname(main), CONFIGURATION)
        waiting = [configuration] if configuration in self.bundle.files else []
        while waiting:
            waiting += self._new(waiting.pop(), self._configuration)
        return self._issues

    def _new(self, path: str, included: Callable[[_Source], Iterator[str]]) -> list[str]:
        """Check one file and return what it includes, the last first."""
        if path in self._seen:
            return []
        self._seen.add(path)
        try:
            source = _Source(path, script_text(self.bundle, path))
        except DefinitionError as error:
            self._issues += error.issues
            return []
        self._issues += source.issues()
        return [*included(source)][::-1]

    def _script(self, source: _Source) -> Iterator[str]:
        for match, target in source.includes(_INCLUDE):
            if target.startswith(("./", "../", "/")):
                yield from self._include(source, match, target)

    def _include(self, source: _Source, match: re.Match[str], target: str) -> Iterator[str]:
        where = source.place(match.start("include"))
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source.path), target))
        if path.startswith(("/", "../")):
            self._issues.append(_outside(where, target))
            return
        # In the order in which Nextflow looks.
        places = (*(() if path.endswith(".nf") else (f"{path}.nf",)), posixpath.normpath(f"{path}/main.nf"), path)
        found = next((each for each in places if each in self.bundle.files), None)
        if found is None:
            self._issues.append(_missing(where, target, places[0] if len(places) > 2 else path))
            return
        for part in re.split(r"[;\n]", match["names"]):
            name = _NAME.fullmatch(part)
            if name is not None and name["name"] not in self._words_of(found):
                fix = "Correct the name, or write that process, workflow or function there"
                self._issues.append(Issue(where, f"includes {name['name']}, which {found} does not have", fix))
        yield found

    def _words_of(self, path: str) -> frozenset[str]:
        if path not in self._words:
            text = self.bundle.files[path].content.decode(errors="replace")
            self._words[path] = frozenset(_WORD.findall(text))
        return self._words[path]

    def _configuration(self, source: _Source) -> Iterator[str]:
        for match, target in source.includes(_INCLUDE_CONFIG):
            if ":" in target or target.startswith("/"):
                # An address, or a file of the machine that runs it.
                continue
            where = source.place(match.start("include"))
            found = posixpath.normpath(posixpath.join(posixpath.dirname(source.path), target))
            if found in self.bundle.files:
                yield found
            elif found.startswith("../"):
                self._issues.append(_outside(where, target))
            else:
                self._issues.append(_missing(where, target, found))


def script_text(bundle: Bundle, path: str) -> str:
    """Return a script of Nextflow, which reads what is not UTF-8 with replacement characters.

    :raises DefinitionError: it is UTF-16.
    """
    content = bundle.files[path].content
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return bundle.text(path)
    return content.decode("utf-8-sig", errors="replace")


def _whole_merge(text: str) -> re.Match[str] | None:
    """Return where a merge begins of which all three lines are there; of less there may be talk in a text."""
    begin = found = _MERGE.search(text)
    for line in _MERGE_GOES_ON:
        found = found and line.search(text, found.end())
    return found and begin


def _outside(where: str, target: str) -> Issue:
    what = f"includes {target}, which lies outside of the definition"
    return Issue(where, what, "Put a copy of it into the definition")


def _missing(where: str, target: str, path: str) -> Issue:
    fix = f"Put the file into the definition, as {path}, or correct the path"
    return Issue(where, f"includes {target}, and there is no such file", fix)
