"""Finding the name that somebody meant, without ever proposing another one."""

from __future__ import annotations

import re
from collections.abc import Iterable

# In a shorter name, one other letter is the difference between two things.
_SHORTEST, _SHORTEST_FOR_OTHER_LETTER = 3, 5
# One letter apart, and not the same thing.
# fmt: off
_TERMS = frozenset({
    "fasta", "fastq", "fast5", "pod5", "bam", "bai", "cram", "crai", "csi", "tbi", "vcf", "gvcf", "bcf", "bed",
    "bim", "fam", "gtf", "gff", "sam", "dict", "tumor", "normal", "father", "mother", "forward", "reverse", "index",
    "input", "output", "read", "reads", "left", "right", "first", "second", "start", "stop", "min", "max",
})
# fmt: on


def meant(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that another is a spelling of.

    Names are spellings of each other if they differ by upper and lower case, by ``_``, ``-`` and spaces, or by one
    typing error; never if they differ by a digit, or by two terms of the field.

    :return: None if there is none, or more than one.
    """
    names = sorted(known)
    same = [other for other in names if _plain(other) == _plain(name)]
    likely = same or [other for other in names if _one_error_apart(name, other)]
    return likely[0] if len(likely) == 1 else None


def advice(name: str, known: Iterable[str]) -> str:
    """Return the question after the name that somebody meant; empty if there is none."""
    likely = meant(name, known)
    return f"Did you mean {likely!r}? If not: " if likely else ""


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


def _one_error_apart(name: str, other: str) -> bool:
    first, second = _plain(name), _plain(other)
    if min(len(first), len(second)) < _SHORTEST or _digits(first) != _digits(second):
        return False
    if (
        _words(name) ^ _words(other)
        and _is_term(_words(name) - _words(other))
        and _is_term(_words(other) - _words(name))
    ):
        return False
    return _one_edit(first, second, other_letter=min(len(first), len(second)) >= _SHORTEST_FOR_OTHER_LETTER)


def _digits(name: str) -> list[str]:
    return re.findall(r"\d+", name)


def _words(name: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in re.split(r"[\s_\d-]+", name) if word)


def _is_term(words: frozenset[str]) -> bool:
    return not words.isdisjoint(_TERMS)


def _one_edit(first: str, second: str, *, other_letter: bool) -> bool:
    """Whether one letter too much, missing, wrong, or two that changed places make the difference."""
    if abs(len(first) - len(second)) > 1 or first == second:
        return False
    at = next((at for at, (one, two) in enumerate(zip(first, second, strict=False)) if one != two), len(second))
    at = min(at, len(first))
    rests = (
        (first[at + 1 :] if other_letter else None, second[at + 1 :]),
        (first[at + 1 :], second[at:]),
        (first[at:], second[at + 1 :]),
        (first[at + 1 : at + 2] + first[at : at + 1] + first[at + 2 :], second[at:]),
    )
    return any(one == two for one, two in rests)
