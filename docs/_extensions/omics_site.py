"""What this site has beyond Sphinx: parts of pages that come from the code, and pages for files of the repository."""

from __future__ import annotations

from typing import Any

from omics_class_page import OmicsClassDirective
from omics_files import rewrite_links, write_pages
from omics_picture import OmicsPictureDirective
from omics_tables import OmicsTableDirective
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx


def shorten_types(_app: Sphinx, page: str, source: list[str]) -> None:
    """Have signatures say ``Mapping`` and the like without the module that all of them come from."""
    if page.startswith("reference/api/"):
        source[0] = source[0].replace("collections.abc.", "")


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of all of it."""
    app.add_directive("omics-class", OmicsClassDirective)
    app.add_directive("omics-picture", OmicsPictureDirective)
    app.add_directive("omics-table", OmicsTableDirective)
    for name in ("csv", "tsv", "wdl"):
        app.add_lexer(name, TextLexer)
    app.connect("builder-inited", write_pages)
    app.connect("source-read", rewrite_links)
    app.connect("source-read", shorten_types)
    return {"parallel_read_safe": True}
