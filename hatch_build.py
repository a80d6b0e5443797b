"""What the build adds: links of the README that a package index can follow, and the example DAGs in the wheel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

EXAMPLES = "example_dags"
_LINK = re.compile(r"\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")


class Readme(MetadataHookInterface):
    """Has the links of the README lead to the addresses of ``project.urls``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the description of the package."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = with_absolute_links(text, metadata["urls"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


class ExampleDags(BuildHookInterface[Any]):
    """Puts the example DAGs into wheels; an editable install has them in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name what goes into the wheel beside the package."""
        if self.target_name == "wheel" and version != "editable":
            build_data["force_include"][EXAMPLES] = f"airflow_provider_omics/{EXAMPLES}"


def with_absolute_links(text: str, urls: Mapping[str, str]) -> str:
    """Return Markdown whose links to files of the repository lead to where these are published.

    :param text: Markdown of a file at the root of the repository.
    :param urls: ``project.urls``: pages of ``docs`` are below ``Documentation``, other files below ``Source``.
    """

    def absolute(link: re.Match[str]) -> str:
        path, anchor = link[1], link[2] or ""
        page = re.fullmatch(r"docs/(.+)\.md", path)
        if page:
            return f"]({urls['Documentation'].rstrip('/')}/{page[1]}.html{anchor})"
        return f"]({urls['Source'].rstrip('/')}/blob/main/{path}{anchor})"

    return _LINK.sub(absolute, text)
