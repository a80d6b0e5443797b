"""Checks a built site: links inside of it lead to pages and anchors that are there, and it loads nothing from outside.

Takes the folder of the site. Links to other sites are not followed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADS = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("use", "href")}
#: Relations of ``link`` that name a page and load nothing.
_NAMES = {"index", "search", "next", "prev", "canonical", "genindex"}


@dataclass
class Page(HTMLParser):
    """What a page links to, what it loads and which anchors it has."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag says."""
        given = {name: value for name, value in attrs if value}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        for name in ("href", "src"):
            if name in given:
                self.links.append(given[name])
                if (tag, name) in _LOADS and given.get("rel") not in _NAMES:
                    self.loads.append(given[name])


def dead_links(site: Path) -> Iterator[str]:
    """Give a line for each link that leads nowhere, and for whatever would be loaded from elsewhere."""
    pages = {file: _read(file) for file in sorted(site.rglob("*.html"))}
    for file, page in pages.items():
        where = file.relative_to(site)
        yield from (f"{where} loads {address}" for address in page.loads if urlsplit(address).netloc)
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.is_file():
                yield f"{where} links to {link}, which is not there"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{where} links to {link}, whose anchor is not there"


def _read(file: Path) -> Page:
    page = Page()
    page.feed(file.read_text(encoding="utf-8"))
    return page


def main() -> int:
    """Print what is wrong with the site that the first argument names; return 1 if anything is."""
    found = list(dict.fromkeys(dead_links(Path(sys.argv[1]).resolve())))
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
