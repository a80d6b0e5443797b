"""What CONTRIBUTING.md says of the code is true."""

from __future__ import annotations

import re

import pytest
from test_architecture import HEALTHOMICS, PACKAGE, PACKAGES, ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def test_the_drawing_shows_the_imports_that_are_allowed() -> None:
    outside, inside = TEXT.split("```")[1].split("in healthomics:")
    for drawn, allowed in ((outside, PACKAGES), (inside, HEALTHOMICS)):
        arrows = re.findall(r"^(\w+) +->((?: \w+)*)", drawn, re.MULTILINE)
        assert {room: set(rooms.split()) for room, rooms in arrows} == {room: set(allowed[room]) for room in allowed}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:[\w.]+/)+[\w.-]*)`", TEXT))))
def test_every_file_that_is_named_is_there(path: str) -> None:
    assert any((folder / path).exists() for folder in (ROOT, ROOT / PACKAGE))


def test_no_question_takes_more_than_three_files() -> None:
    rows = re.findall(r"^\| [^|]+\? \| (.+) \|$", TEXT, re.MULTILINE)
    assert [len(re.findall(r"`[\w/]+\.py`", row)) for row in rows] == [3, 3, 3]
