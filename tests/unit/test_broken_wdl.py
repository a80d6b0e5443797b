"""Broken WDL: each is refused before any call, with file, line and remedy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from broken_cases import WDL, Cases, check_told, network_refused

BROKEN: Cases = {
    "syntax": (
        {"main.wdl": "version 1.0\nworkflow w {\n  input {\n"},
        {},
        "main.wdl:3:9: ends before this is complete. Close what",
    ),
    "version": ({"main.wdl": "version 7\nworkflow w {}\n"}, {}, "main.wdl:1:1: unknown WDL version 7"),
    "missing import": (
        {"main.wdl": 'version 1.0\nimport "lib/a.wdl"\nworkflow w {}\n'},
        {},
        "main.wdl:2:1: imports lib/a.wdl, and there is no such file. Put the file into the definition, as lib/a.wdl",
    ),
    "import from outside": (
        {"main.wdl": 'version 1.0\nimport "../other.wdl"\nworkflow w {}\n'},
        {},
        "main.wdl:2:1: imports ../other.wdl, which lies outside of the definition. Put a copy",
    ),
    "syntax of an import": (
        {"main.wdl": 'version 1.0\nimport "a.wdl"\nworkflow w {}\n', "a.wdl": "version 1.0\ntask {"},
        {},
        "a.wdl:2:6: unexpected '{'. Correct the syntax; a name may stand there.",
    ),
    "unknown task": ({"main.wdl": "version 1.0\nworkflow w {\n  call x\n}\n"}, {}, "main.wdl:3:3: No such task"),
    "unknown name": (
        {"main.wdl": "version 1.0\nworkflow w {\n  Int a = b\n}\n"},
        {},
        "main.wdl:3:11: Unknown identifier b. Correct it there.",
    ),
    "types": (
        {"main.wdl": "version 1.0\nworkflow w {\n  Boolean a = 5\n}\n"},
        {},
        "main.wdl:3:15: Expected Boolean instead of Int",
    ),
    "no workflow": (
        {"main.wdl": "version 1.0\ntask a { command {} }\ntask b { command {} }\n"},
        {},
        "main.wdl:1:1: has 2 tasks and no workflow. Give main",
    ),
    "comments alone": ({"main.wdl": "# later\n"}, {}, "main.wdl:1:1: has nothing but comments. Write tasks or"),
    "byte order mark": ({"main.wdl": "\ufeff" + WDL}, {}, "main.wdl:1:1: begins with a byte order mark"),
    "pointer of Git LFS": (
        {"main.wdl": "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"},
        {},
        "main.wdl:1:1: is a pointer of Git LFS, and not the file itself. Fetch it with git lfs pull.",
    ),
    "import of an address": (
        {"main.wdl": 'version 1.0\nimport "https://example.com/a.wdl"\nworkflow w {}\n'},
        {},
        "main.wdl:2:1: imports https://example.com/a.wdl, and HealthOmics imports only files of the definition. Put a",
    ),
    "import of itself": (
        {"main.wdl": 'version 1.0\nimport "a.wdl"\nworkflow w {}\n', "a.wdl": 'version 1.0\nimport "main.wdl"\n'},
        {},
        "a.wdl:2:1: imports main.wdl, and so itself (main.wdl -> a.wdl -> main.wdl). Remove one of these imports.",
    ),
    "two imports of one name": (
        {
            "main.wdl": 'version 1.0\nimport "a/t.wdl"\nimport "b/t.wdl"\nworkflow w {}\n',
            **{f"{name}/t.wdl": "version 1.0\ntask x { command {} }\n" for name in "ab"},
        },
        {},
        "main.wdl:3:1: a second import is called t. Give one of them another name",
    ),
    "path of another importer": (
        {
            "main.wdl": 'version 1.0\nimport "lib/a.wdl"\nworkflow w {}\n',
            "lib/a.wdl": 'version 1.0\nimport "lib/b.wdl"\n',
            "lib/b.wdl": "version 1.0\ntask b { command {} }\n",
        },
        {},
        "lib/a.wdl:2:1: imports lib/b.wdl, and there is no such file. Write b.wdl.",
    ),
    "import that is not UTF-8": (
        {"main.wdl": 'version 1.0\nimport "a.wdl"\nworkflow w {}\n', "a.wdl": b"version 1.0\n# caf\xe9\n"},
        {},
        "a.wdl:2:1: is not UTF-8 text: invalid continuation byte. Save it as UTF-8.",
    ),
    "two workflows": (
        {"main.wdl": "version 1.0\nworkflow v {}\nworkflow w {}\n"},
        {},
        "main.wdl:3:1: is a second workflow in one document. Give it a file of its own.",
    ),
}


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    with network_refused():
        yield


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_in_wdl_is_told_before_any_call(tmp_path: Path, kind: str) -> None:
    check_told(tmp_path, BROKEN[kind])
