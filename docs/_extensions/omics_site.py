"""What this site has beyond Sphinx: parts of pages that come from the code, and pages for files of the repository."""

from __future__ import annotations

from typing import Any

from omics_class_page import OmicsClassDirective
from omics_files import rewrite_links, write_pages
from omics_picture import OmicsPictureDirective
from omics_tables import OmicsTableDirective
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of all of it."""
    app.add_directive("omics-class", OmicsClassDirective)
    app.add_directive("omics-picture", OmicsPictureDirective)
    app.add_directive("omics-table", OmicsTableDirective)
    for name in ("csv", "tsv", "wdl"):
        app.add_lexer(name, TextLexer)
    app.connect("builder-inited", write_pages)
    app.connect("source-read", rewrite_links)
    return {"parallel_read_safe": True}
