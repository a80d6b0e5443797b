"""Links from pages to files of the repository, which get pages of their own, so that all of them work from the disk."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: Where the pages of files are; each build writes them.
FOLDER = "files"
#: What a folder is shown by.
FOLDERS = {"example_dags": "examples"}
#: What the site's contents name, whether a page links to it or not.
ALWAYS = (
    "CHANGELOG.md",
    "SECURITY.md",
    *(f"example_dags/{file.name}" for file in (ROOT / "example_dags").glob("*.py")),
)
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
# Pictures are no pages: Sphinx copies them from where the repository has them.
_LINK = re.compile(r"\]\((?!\w+:|#|[^)\s]+\.(?:png|svg)\))([^)\s#]+)(#[^)\s]*)?\)")
_ANCHOR = re.compile(r'<a id="([\w-]+)"></a>')
_LANGUAGES = {".py": "python", ".json": "json", ".wdl": "text", ".cwl": "yaml", ".toml": "toml", ".txt": "text"}


def write_pages(_app: Sphinx) -> None:
    """Write a page for each file that is linked to, and for those that they link to."""
    pages = [file for file in DOCS.rglob("*.md") if not file.is_relative_to(DOCS / FOLDER)]
    waiting = [*ALWAYS, *(target for page in pages for target in linked_files(page.relative_to(ROOT)))]
    shown: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in shown:
            continue
        shown.add(name)
        if name.endswith(".md"):
            waiting += linked_files(Path(name))
        page = DOCS / f"{page_of(name)}.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        _write_if_new(page, _content(name))
    for page in (DOCS / FOLDER).rglob("*.md"):
        if page.relative_to(DOCS).with_suffix("").as_posix() not in {page_of(name) for name in shown}:
            page.unlink()


def rewrite_links(_app: Sphinx, page: str, content: list[str]) -> None:
    """Have the links and anchors of a page, which are right in the repository, lead to pages of the site."""
    origin = page.removeprefix(f"{FOLDER}/") + ".md" if page.startswith(f"{FOLDER}/") else f"docs/{page}.md"
    if not (ROOT / origin).exists():
        return  # made for the site, as are the pages of code

    def to_page(link: re.Match[str]) -> str:
        target = _target(origin, link[1])
        is_page = target in FOLDERS or not target.startswith("docs/") or target.endswith(".md")
        return f"](/{page_of(target)}.md{link[2] or ''})" if is_page else link[0]

    content[0] = _outside_of_code(content[0], lambda line: _ANCHOR.sub(r"(\1)=", _LINK.sub(to_page, line)))


def linked_files(page: Path) -> list[str]:
    """Return the files outside of ``docs`` that a page of the repository links to."""
    found: list[str] = []

    def note(line: str) -> str:
        found.extend(_target(page.as_posix(), link[1]) for link in _LINK.finditer(line))
        return line

    _outside_of_code((ROOT / page).read_text(encoding="utf-8"), note)
    return [name for name in found if not name.startswith("docs/") and name not in FOLDERS]


def page_of(name: str) -> str:
    """Return the page of a file or folder of the repository, as Sphinx names pages."""
    if name in FOLDERS:
        return FOLDERS[name]
    path = name.removesuffix(".md")
    return path.removeprefix("docs/") if path.startswith("docs/") else f"{FOLDER}/{path}"


def _target(origin: str, link: str) -> str:
    target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))
    if target.startswith("docs/") and not (ROOT / target).exists() and (DOCS / target).exists():
        return target
    if not (ROOT / target).exists():
        raise ValueError(f"{origin} links to {link}, which is not there")
    return target


def _content(name: str) -> str:
    orphan = "" if name in ALWAYS else "---\norphan: true\n---\n\n"
    if name.endswith(".md"):
        return orphan + (ROOT / name).read_text(encoding="utf-8")
    up = "../" * (page_of(name).count("/") + 1)
    language = _LANGUAGES.get(Path(name).suffix, "text")
    return f"{orphan}# {Path(name).name}\n\n`{name}`\n\n```{{literalinclude}} {up}{name}\n:language: {language}\n```\n"


def _outside_of_code(text: str, change: Callable[[str], str]) -> str:
    return "".join(change(line) if is_text else line for line, is_text in _lines(text))


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Give each line, and whether it is outside of fenced code."""
    fence = ""
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if mark is None:
            yield line, not fence
        elif not fence:
            fence = mark[1]
            yield line, False
        else:
            yield line, False
            if line.strip() == fence:
                fence = ""


def _write_if_new(page: Path, text: str) -> None:
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")
