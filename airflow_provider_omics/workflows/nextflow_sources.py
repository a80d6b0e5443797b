"""Reads the scripts of a Nextflow pipeline as far as that needs no Nextflow: brackets, quotation marks, includes."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from airflow_provider_omics.healthomics.requests.issues import Issue
from airflow_provider_omics.workflows.bundle import Bundle, DefinitionError

CONFIGURATION = "nextflow.config"
_CLOSERS = {")": "(", "]": "[", "}": "{"}
_QUOTES = ("'''", '"""', "'", '"')
# After these a slash begins a pattern; after a value it divides.
_BEFORE_PATTERN = frozenset("=~(,[{:!&|?;<>+-*%\n")
_WORDS_BEFORE_PATTERN = re.compile(r"\b(?:return|in|case|assert|else)\s*$")
_INCLUDE = re.compile(r"\binclude\s*\{(?P<names>[^{}]*)\}\s*from\s+(?=['\"])")
_INCLUDE_CONFIG = re.compile(r"\bincludeConfig\s*\(?\s*(?=['\"])")
_NAME = re.compile(r"\s*(?P<name>\w+)(?:\s+as\s+\w+)?\s*")
_NEXT = re.compile(r"[/'\"()\[\]{}$]")
_MERGE = re.compile(r"^<{7} ", re.MULTILINE)


def source_issues(bundle: Bundle, main: str) -> list[Issue]:
    """Return what is wrong with the scripts that a run reads: the main one, what it includes, and the configuration.

    :param main: path of the main script; the configuration is beside it.
    """
    return _Sources(bundle).read(main)


@dataclass
class _Sources:
    bundle: Bundle
    _issues: list[Issue] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def read(self, main: str) -> list[Issue]:
        self._script(main)
        self._configuration(posixpath.join(posixpath.dirname(main), CONFIGURATION))
        return self._issues

    def _scan(self, path: str) -> _Scanner | None:
        if path in self._seen:
            return None
        self._seen.add(path)
        try:
            scanner = _Scanner(path, self.bundle.text(path))
        except DefinitionError as error:
            self._issues += error.issues
            return None
        self._issues += scanner.issues()
        return scanner

    def _script(self, path: str) -> None:
        scanner = self._scan(path)
        if scanner is None:
            return
        for match in _INCLUDE.finditer(scanner.code):
            target = scanner.string(match.end())
            if target is not None and target.startswith((".", "/")):
                self._include(scanner, match, target)

    def _include(self, scanner: _Scanner, match: re.Match[str], target: str) -> None:
        where = scanner.place(match.start())
        path = posixpath.normpath(posixpath.join(posixpath.dirname(scanner.path), target))
        if path.startswith(("/", "../")):
            what, fix = (
                f"includes {target}, which lies outside of the definition",
                "Put a copy of it into the definition",
            )
            self._issues.append(Issue(where, what, fix))
            return
        found = next((each for each in (path, f"{path}.nf", f"{path}/main.nf") if each in self.bundle.files), None)
        if found is None:
            wanted = path if path.endswith(".nf") else f"{path}.nf"
            fix = f"Put the file into the definition, as {wanted}, or correct the path"
            self._issues.append(Issue(where, f"includes {target}, and there is no such file", fix))
            return
        text = self.bundle.files[found].content.decode(errors="replace")
        for part in re.split(r"[;\n]", match["names"]):
            name = _NAME.fullmatch(part)
            if name is not None and not re.search(rf"\b{name['name']}\b", text):
                fix = "Correct the name, or write that process, workflow or function there"
                self._issues.append(Issue(where, f"includes {name['name']}, which {found} does not have", fix))
        self._script(found)

    def _configuration(self, path: str) -> None:
        scanner = self._scan(path) if path in self.bundle.files else None
        if scanner is None:
            return
        for match in _INCLUDE_CONFIG.finditer(scanner.code):
            target = scanner.string(match.end())
            if target is None or ":" in target or scanner.depth(match.start()):
                # Made while it runs, an address, or of a profile that may never be asked for.
                continue
            found = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            if found in self.bundle.files:
                self._configuration(found)
            else:
                fix = f"Put the file into the definition, as {found}, or correct the path"
                what = f"includes {target}, and there is no such file"
                self._issues.append(Issue(scanner.place(match.start()), what, fix))


class _Scanner:
    """One script, with what is no code put out of the way.

    :ivar code: the text with blanks in place of comments and of what is in quotation marks.
    """

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self._text = text
        self._blank = list(text)
        self._open: list[tuple[str, int]] = []
        self._depths: list[tuple[int, int]] = []
        self._problem: Issue | None = None
        self._run()
        self.code = "".join(self._blank)

    def issues(self) -> Iterator[Issue]:
        """Yield what is wrong with it: the first thing, after which nothing is where it seems."""
        merge = _MERGE.search(self._text)
        if merge is not None:
            yield Issue(
                self.place(merge.start()), "is left of a merge that was not finished", "Choose one of both texts"
            )
        elif self._problem is not None:
            yield self._problem

    def place(self, index: int) -> str:
        """Return file, line and column of a character."""
        line = self._text.count("\n", 0, index) + 1
        return f"{self.path}:{line}:{index - self._text.rfind(chr(10), 0, index)}"

    def depth(self, index: int) -> int:
        """Return in how many brackets a character is."""
        return next((depth for place, depth in reversed(self._depths) if place <= index), 0)

    def string(self, index: int) -> str | None:
        """Return the text in quotation marks that begins there; None if it is made while it runs."""
        quote = self._text[index]
        end = self._text.find(quote, index + 1)
        found = self._text[index + 1 : end]
        return None if end < 0 or "$" in found or "\n" in found else found

    def _run(self) -> None:
        index = self._text.find("\n") if self._text.startswith("#!") else 0
        while index >= 0 and self._problem is None:
            match = _NEXT.search(self._text, index)
            index = -1 if match is None else self._step(match.start())
        if self._open and self._problem is None:
            bracket, start = self._open[-1]
            self._problem = Issue(self.place(start), f"{bracket} is never closed", f"Close it, or remove the {bracket}")

    def _step(self, index: int) -> int:
        text = self._text
        if text.startswith("//", index):
            return self._skip(index, text.find("\n", index))
        if text.startswith("/*", index):
            return self._closed(index, text.find("*/", index + 2), 2, "the comment is never closed", "Close it with */")
        quote = next((each for each in _QUOTES if text.startswith(each, index)), None)
        if quote is not None:
            return self._quoted(index, quote)
        if text.startswith("$/", index):
            return self._closed(index, text.find("/$", index + 2), 2, "the text is never closed", "Close it with /$")
        if text[index] == "/" and self._begins_pattern(index):
            return self._pattern(index)
        return self._bracket(index)

    def _bracket(self, index: int) -> int:
        char = self._text[index]
        if char in "([{":
            self._open.append((char, index))
            self._depths.append((index, len(self._open)))
        elif char in _CLOSERS:
            opened = self._open.pop() if self._open else None
            self._depths.append((index, len(self._open)))
            if opened is None:
                self._problem = Issue(self.place(index), f"{char} closes nothing", "Remove it, or write what it closes")
            elif opened[0] != _CLOSERS[char]:
                what = f"{char} is where the {opened[0]} of {self.place(opened[1])} is not closed yet"
                self._problem = Issue(self.place(index), what, f"Close that {opened[0]} first")
        return index + 1

    def _begins_pattern(self, index: int) -> bool:
        before = "".join(self._blank[max(0, index - 200) : index]).rstrip(" \t")
        return not before or before[-1] in _BEFORE_PATTERN or _WORDS_BEFORE_PATTERN.search(before) is not None

    def _pattern(self, index: int) -> int:
        end = index + 1
        while end < len(self._text) and self._text[end] != "/":
            end += 2 if self._text[end] == "\\" else 1
        # What is not closed on its line is taken for a division.
        line = self._text.find("\n", index)
        return self._skip(index, end + 1) if end < (line if line >= 0 else len(self._text)) else index + 1

    def _quoted(self, index: int, quote: str) -> int:
        end = index + len(quote)
        while end < len(self._text) and not self._text.startswith(quote, end):
            if self._text[end] == "\n" and len(quote) == 1:
                break
            if self._text[end] == "\\":
                end += 2
            elif quote[0] == '"' and self._text.startswith("${", end):
                end = self._interpolated(end + 2)
            else:
                end += 1
        if not self._text.startswith(quote, end):
            self._problem = Issue(
                self.place(index), f"the text after {quote} is never closed", f"Close it with {quote}"
            )
        return self._skip(index, end + len(quote))

    def _interpolated(self, index: int) -> int:
        """Return where an expression within a text ends."""
        depth = 1
        while index < len(self._text) and depth:
            char = self._text[index]
            if char in "'\"":
                end = self._text.find(char, index + 1)
                line = self._text.find("\n", index)
                index = end if end >= 0 and (line < 0 or end < line) else index
            depth += (char == "{") - (char == "}")
            index += 1
        return index

    def _closed(self, index: int, end: int, size: int, what: str, fix: str) -> int:
        if end < 0:
            self._problem = Issue(self.place(index), what, fix)
        return self._skip(index, end + size if end >= 0 else -1)

    def _skip(self, index: int, end: int) -> int:
        stop = min(end, len(self._text)) if end >= 0 else len(self._text)
        for each in range(index, stop):
            if self._text[each] != "\n":
                self._blank[each] = " "
        if not self._text.startswith(("//", "/*"), index):
            # It is a value, after which a slash divides, and an include has its path.
            self._blank[index] = "'"
        return stop
