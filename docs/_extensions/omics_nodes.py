"""Parts of pages, as Sphinx has them in memory, out of reStructuredText of docstrings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import MappingProxyType

from docutils import nodes
from docutils.parsers.rst import Parser
from docutils.utils import new_document
from sphinx.util.docutils import SphinxDirective

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "airflow_provider_omics"
#: What parts of pages are made of, below the package.
SOURCES = (
    "operators/*.py",
    "sensors/*.py",
    "triggers/*.py",
    "links/*.py",
    "healthomics/api/failures.py",
    "provider_info.py",
    "permissions/*.py",
)


class PageDirective(SphinxDirective):
    """Base of directives that write parts of a page, which is written anew when what it is made of has changed."""

    def note_sources(self) -> None:
        """Have the page follow the code."""
        for file in chain(HERE.glob("*.py"), *(PACKAGE.glob(pattern) for pattern in SOURCES)):
            self.env.note_dependency(str(file))

    def rst(self, text: str, module: str | None = None) -> list[nodes.Node]:
        """Read reStructuredText, whose names without a module are those of a module."""
        self.env.ref_context["py:module"] = module
        document = new_document(self.state.document["source"], self.state.document.settings)
        Parser().parse(text, document)
        self.env.ref_context.pop("py:module", None)
        return list(document.children)

    def section(self, title: str, content: Iterable[nodes.Node]) -> nodes.section:
        """Make a section with an anchor of its own."""
        section = nodes.section("", nodes.title(title, title), *content)
        section["names"].append(nodes.fully_normalize_name(title))
        self.state.document.note_implicit_target(section, section)
        return section

    def terms(
        self,
        entries: Iterable[tuple[str, str]],
        module: str | None,
        prefix: str,
        types: Mapping[str, str] = MappingProxyType({}),
    ) -> nodes.definition_list:
        """Make a list of names, each with its text, its type, if there is one, and an anchor."""
        items = []
        for name, text in entries:
            term = nodes.term("", "", nodes.literal(name, name), ids=[nodes.make_id(f"{prefix}-{name}")])
            if name in types:
                term += [nodes.Text(" "), nodes.emphasis(types[name], types[name])]
            items.append(nodes.definition_list_item("", term, nodes.definition("", *self.rst(text, module))))
        return nodes.definition_list("", *items)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[nodes.Node]:
        """Make a table of cells in reStructuredText."""
        lines = [".. list-table::", "   :header-rows: 1", ""]
        for row in (header, *rows):
            for index, cell in enumerate(row):
                lines.append(f"   {'* -' if index == 0 else '  -'} {cell}")
        return self.rst("\n".join(lines))
