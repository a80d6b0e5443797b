"""The directive ``omics-picture``: a drawing of ``docs/pictures`` in the page itself, so that it has its colours."""

from __future__ import annotations

from docutils import nodes
from omics_classes import ROOT
from sphinx.util.docutils import SphinxDirective

PICTURES = ROOT / "docs" / "pictures"


class OmicsPictureDirective(SphinxDirective):
    """A picture; its argument is the name of its file without ``.svg``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the drawing, in a frame that scrolls where the page is narrower."""
        file = PICTURES / f"{self.arguments[0]}.svg"
        if not file.exists():
            raise self.error(f"there is no picture {file.name} in {PICTURES.relative_to(ROOT)}")
        self.env.note_dependency(str(file))
        drawing = file.read_text(encoding="utf-8")
        frame = f'<figure class="picture" tabindex="0">{drawing}</figure>'
        return [nodes.raw("", frame, format="html")]
