"""Tells code from comments and quoted text in Groovy, the language of Nextflow, as its lexer does."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

_CLOSERS = {")": ("(",), "]": ("[",), "}": ("{", "${")}
_TOKEN = re.compile(
    r"""(?P<blank>[^\S\r\n]+|\\\r?\n)
    |(?P<newline>[\r\n]+)
    |(?P<quote>'''|\"\"\"|'|"|\$/)
    |(?P<word>[\w$]+|\+\+|--)
    |(?P<comment>//[^\r\n]*)
    |(?P<long_comment>/\*)
    |(?P<slash>/)
    |(?P<open>[(\[{])
    |(?P<close>[)\]}])
    |(?P<other>[^\w\s$'"/()\[\]{}+\\-]+|.)""",
    re.VERBOSE,
)
# After these words and after signs a slash begins a text; after a value it divides.
_NO_VALUES = frozenset(("as", "assert", "case", "def", "do", "else", "in", "instanceof", "new", "return", "throw"))
# What matters in a text: what is escaped, an expression, its end; and an end of line where it may not have one.
_WITHIN = {
    "'": re.compile(r"\\(?:\r\n|[\s\S])|'|[\r\n]"),
    '"': re.compile(r'\\(?:\r\n|[\s\S])|\$\{|"|[\r\n]'),
    "'''": re.compile(r"\\[\s\S]|'{3,6}"),
    '"""': re.compile(r'\\[\s\S]|\$\{|"{3,6}'),
    "/": re.compile(r"\\/|\$\{|/"),
    "$/": re.compile(r"\$\$|\$/\$?|\$\{|/\$"),
}
_CLOSED_BY = {"$/": "/$"}
_SHEBANG = re.compile(r"#![^\r\n]*")
_NO_END_OF_LINE = re.compile(r"[^\r\n]")


@dataclass(frozen=True)
class Problem:
    """What cannot be read.

    :param index: where it begins.
    :param what: what is wrong; ``{place}`` stands for the place of ``other``.
    :param other: index of what it belongs to.
    """

    index: int
    what: str
    fix: str
    other: int = 0


class _Frame(NamedTuple):
    opener: str
    start: int


class _Span(NamedTuple):
    start: int
    end: int
    is_comment: bool


class GroovyText:
    """A text in Groovy, read up to what cannot be read.

    A slash begins a text or divides by what is before it, as for Groovy's own lexer. Where that is in doubt, nothing is
    a problem, and what follows is no code.

    :ivar problem: what cannot be read, if there is such.
    :ivar code: what was read, with blanks in place of comments and of text in quotation marks, which begins with
        ``'`` instead. It ends with an end of line if everything was read.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self.problem: Problem | None = None
        self._frames: list[_Frame] = []
        self._texts = 0
        self._spans: list[_Span] = []
        self._changes: list[int] = [0]
        self._depths: list[int] = [0]
        self._opened: dict[int, int] = {}
        self._is_after_value = False
        self._doubtful: list[int] = []
        end = self._read()
        self.code = "".join(self._blanked(end)) + ("\n" if end == len(text) else "")
        self._ends = {span.start: span.end for span in self._spans if not span.is_comment}

    def without_comments(self) -> str:
        """Return the text with blanks in place of comments."""
        spans = (span for span in self._spans if span.is_comment)
        return "".join(_replaced(self._text, spans, len(self._text)))

    def depth(self, index: int) -> int:
        """Return in how many brackets a character is."""
        return self._depths[bisect_right(self._changes, index) - 1]

    def opened(self, index: int) -> int | None:
        """Return where the bracket was opened that is closed there."""
        return self._opened.get(index)

    def quoted(self, index: int) -> tuple[str | None, int]:
        """Return the text in quotation marks that begins there, None if it is not plain, and where it ends."""
        end = self._ends[index]
        found = self._text[index + 1 : end - 1]
        return (None if self._text[index] not in "'\"" or re.search(r"[\\$\r\n'\"]", found) else found), end

    def _read(self) -> int:
        shebang = _SHEBANG.match(self._text)
        index = shebang.end() if shebang is not None else 0
        if shebang is not None:
            self._spans.append(_Span(0, index, True))
        while index < len(self._text):
            opener = self._frames[-1].opener if self._frames else ""
            index = self._within(index, opener) if opener in _WITHIN else self._code(index)
            if self.problem is not None:
                return self._end_of_code(self.problem.index)
        return self._unclosed()

    def _end_of_code(self, index: int) -> int:
        doubtful = [*self._doubtful, *(frame.start for frame in self._frames if frame.opener == "/")]
        if doubtful:
            self.problem = None
        return min((index, *doubtful, *(frame.start for frame in self._frames if frame.opener in _WITHIN)))

    def _unclosed(self) -> int:
        if self._frames:
            opener, start = self._frames[-1]
            if opener in _WITHIN:
                self._not_closed(opener, start)
            else:
                self.problem = Problem(start, f"{opener} is never closed", f"Close it, or remove the {opener}")
        return self._end_of_code(len(self._text))

    def _code(self, index: int) -> int:
        match = _TOKEN.match(self._text, index)
        if match is None:
            return index + 1
        kind, token, end = match.lastgroup, match.group(), match.end()
        if kind == "word":
            is_member = self._text[index - 1 : index] == "."
            self._is_after_value = is_member or token not in _NO_VALUES
        elif kind == "other":
            self._is_after_value = False
        elif kind == "newline":
            # Within these brackets a statement goes on.
            self._is_after_value &= bool(self._frames) and self._frames[-1].opener in ("(", "[")
        elif kind != "blank":
            end = self._mark(index, kind or "", token)
        return end

    def _mark(self, index: int, kind: str, token: str) -> int:
        if kind == "quote":
            return self._begin(index, token)
        if kind == "slash":
            return self._slash(index)
        if kind == "open":
            self._push(index, token)
        elif kind == "close":
            self._close(index, token)
        else:
            return self._comment(index, token)
        return index + 1

    def _comment(self, index: int, token: str) -> int:
        end = index + len(token)
        if token == "/*":
            end = self._text.find("*/", end) + 2
            if end == 1:
                self.problem = Problem(index, "the comment is never closed", "Close it with */")
                return index
        self._spans.append(_Span(index, end, True))
        return end

    def _push(self, index: int, opener: str) -> None:
        self._frames.append(_Frame(opener, index))
        self._is_after_value = False
        self._note_depth(index)

    def _close(self, index: int, closer: str) -> None:
        opener, start = self._frames.pop() if self._frames else ("", 0)
        self._is_after_value = True
        self._opened[index] = start
        self._note_depth(index)
        if not opener:
            self.problem = Problem(index, f"{closer} closes nothing", "Remove it, or write what it closes")
        elif opener not in _CLOSERS[closer]:
            what = f"{closer} is where the {opener} of {{place}} is not closed yet"
            self.problem = Problem(index, what, f"Close that {opener} first", start)

    def _note_depth(self, index: int) -> None:
        if not self._texts:
            self._changes.append(index)
            self._depths.append(len(self._frames))

    def _begin(self, index: int, quote: str) -> int:
        self._frames.append(_Frame(quote, index))
        self._texts += 1
        return index + len(quote)

    def _end(self, end: int) -> int:
        frame = self._frames.pop()
        self._texts -= 1
        self._is_after_value = True
        if not self._texts:
            self._spans.append(_Span(frame.start, end, False))
        return end

    def _within(self, index: int, quote: str) -> int:
        for match in _WITHIN[quote].finditer(self._text, index):
            found = match.group()
            if found == "${":
                self._push(match.start(), found)
                return match.end()
            if found in "\r\n":
                break
            if found[0] == quote[0] and quote not in ("/", "$/"):
                return self._end(match.start() + _closing(found, quote))
            if found == _CLOSED_BY.get(quote, quote):
                return self._end(match.end())
        if quote == "/":
            return len(self._text)
        self._not_closed(quote, self._frames[-1].start)
        return index

    def _not_closed(self, quote: str, start: int) -> None:
        self.problem = Problem(
            start, f"the text after {quote} is never closed", f"Close it with {_CLOSED_BY.get(quote, quote)}"
        )
        outer = self._frames[-3:-1]
        if len(outer) == 2 and outer[0].opener == quote and outer[1].opener == "${":
            # It was to close the text around it.
            self.problem = Problem(outer[1].start, "${ is never closed", "Close it with }")

    def _slash(self, index: int) -> int:
        if self._is_after_value:
            self._is_after_value = False
            return index + 1
        end = -1
        for match in _WITHIN["/"].finditer(self._text, index + 1):
            if match.group() == "${":
                return self._begin(index, "/")
            end = match.end()
            if match.group() == "/":
                break
            if self._text[match.start() - 1] == "\\":
                # Groovy takes this for the end, or for a slash of the text, by whether another one comes.
                self._doubtful.append(index)
        if end < 0:
            return index + 1
        self._begin(index, "/")
        return self._end(end)

    def _blanked(self, end: int) -> Iterator[str]:
        return _replaced(self._text, sorted(self._spans), end)


def _closing(found: str, quote: str) -> int:
    """Return how many of the quotation marks belong to a text that ends among them: up to two may be its last ones."""
    return len(found) if len(quote) == 3 and len(found) < 6 else len(quote)


def _replaced(text: str, spans: Iterable[_Span], end: int) -> Iterator[str]:
    done = 0
    for span in spans:
        # One within an expression of a text is gone with that text.
        if span.start < done or span.start >= end:
            continue
        yield text[done : span.start]
        blank = _NO_END_OF_LINE.sub(" ", text[span.start : span.end])
        yield blank if span.is_comment else f"'{blank[1:]}"
        done = span.end
    yield text[done:end]
