"""The directive ``omics-class``: what a page about an operator, a sensor or a trigger takes from the code."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from omics_classes import ROOT, PublicClass, documented_constants, public_classes
from omics_links import extra_links
from omics_nodes import PageDirective

from airflow_provider_omics.permissions import PERMISSIONS, Feature, policy_document

XCOM_KEYS = "airflow_provider_omics.operators.xcom_keys"


class OmicsClassDirective(PageDirective):
    """Sections about a class: docstring, parameters, XCom keys, links, permissions, its use in examples and recipes."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        self.note_sources()
        try:
            one = public_classes()[self.arguments[0]]
        except KeyError:
            raise self.error(f"there is no public class {self.arguments[0]}") from None
        sections = [
            self._description(one),
            self.section("Parameters", [self.terms(one.parameters.items(), one.module, "parameter", one.types)]),
            self._raises(one),
            self._xcoms(one),
            self._links(one),
            self._permissions(one),
            self._examples(one),
            self._recipes(one),
        ]
        return [section for section in sections if section is not None]

    def _description(self, one: PublicClass) -> nodes.section:
        section = self.section("What it does", self.rst(one.text, one.module))
        section["ids"].append(one.name)
        for name in {f"{one.exported_by}.{one.name}", f"{one.module}.{one.name}"}:
            self.env.domains.python_domain.note_object(name, "class", one.name, location=section)
        return section

    def _raises(self, one: PublicClass) -> nodes.section | None:
        return self.section("Raises", [self.terms(one.raises.items(), one.module, "raises")]) if one.raises else None

    def _xcoms(self, one: PublicClass) -> nodes.section | None:
        keys = list(pushed_keys(one))
        if not keys:
            return None
        text = f"Beside the return value, under these keys; :py:mod:`{XCOM_KEYS}` has constants for them."
        return self.section("XCom keys", [*self.rst(text), self.terms(keys, XCOM_KEYS, "xcom")])

    def _links(self, one: PublicClass) -> nodes.section | None:
        links = list(extra_links(one))
        if not links:
            return None
        text = "Buttons of the task in Airflow; :doc:`/reference/links` says when there are none."
        return self.section("Links", [*self.rst(text), self.terms(links, None, "link")])

    def _permissions(self, one: PublicClass) -> nodes.section:
        needs = PERMISSIONS[one.name]
        always = ", ".join(f"``{action}``" for action in needs.required) or "none"
        features = [
            (feature.option, f"{', '.join(f'``{action}``' for action in feature.actions)}: {_told(feature)}")
            for feature in needs.features
        ]
        text = (
            "What the connection's user or role needs; :doc:`/reference/permissions` says how to narrow it, and has "
            f"the policy of the service role. Always: {always}."
        )
        content = self.rst(text)
        if features:
            content += self.rst("And for what is used:")
            content.append(self.terms(features, None, "permission"))
        policy = json.dumps(policy_document([one.name]), indent=2)
        content += self.rst(
            "A policy with what is used unless it is turned off, for a bucket ``my-bucket`` and account 123456789012:"
        )
        content.append(nodes.literal_block(policy, policy, language="json"))
        return self.section("Permissions", content)

    def _examples(self, one: PublicClass) -> nodes.section | None:
        content: list[nodes.Node] = []
        for file, first, last in calls_in_examples(one):
            self.env.note_dependency(str(file))
            content += self.rst(f"In :doc:`/files/example_dags/{file.name}`:")
            code = "\n".join(file.read_text(encoding="utf-8").splitlines()[first - 1 : last])
            content.append(nodes.literal_block(code, code, language="python"))
        return self.section("In the example DAGs", content) if content else None

    def _recipes(self, one: PublicClass) -> nodes.section | None:
        pages = recipes()
        for page in pages:
            self.env.note_dependency(str(page))
        used = [page for page, text in pages.items() if uses(text, one.name)]
        named = [page for page, text in pages.items() if re.search(rf"\b{one.name}\b", text)]
        # What many pages only name, a few of them use.
        lines = [f"* :doc:`/recipes/{page.stem}`" for page in used or named]
        return self.section("Recipes", self.rst("\n".join(lines))) if lines else None


def _told(feature: Feature) -> str:
    used = "used unless it is turned off" if feature.is_default else "used if asked for"
    text = f"{feature.purpose} ({used}). Without: {feature.without}."
    return re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)


def pushed_keys(one: PublicClass) -> Iterator[tuple[str, str]]:
    """Give the XCom keys that a class pushes, each with its text."""
    if one.role == "operators" and "ushes" in one.text:
        pushes = one.text[one.text.index("ushes") :]
        yield from ((key, text) for key, text in documented_constants(XCOM_KEYS) if f"``{key}``" in pushes)


def calls_in_examples(one: PublicClass) -> Iterator[tuple[Path, int, int]]:
    """Give the file, first and last line of each statement of an example DAG that makes a task of a class."""
    for file in sorted((ROOT / "example_dags").glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.Expr) and any(
                isinstance(name, ast.Name) and name.id == one.name for name in ast.walk(node.value)
            ):
                yield file, node.lineno, node.end_lineno or node.lineno


def recipes() -> dict[Path, str]:
    """Return the recipes and their texts, in the order of their index."""
    folder = ROOT / "docs" / "recipes"
    tree = (folder / "index.md").read_text(encoding="utf-8").rpartition("{toctree}")[2]
    pages = [folder / f"{name}.md" for name in re.findall(r"^[\w-]+$", tree, re.MULTILINE)]
    return {page: page.read_text(encoding="utf-8") for page in pages}


def uses(text: str, name: str) -> bool:
    """Whether the code of a page uses a class."""
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    found = (node for block in blocks for node in ast.walk(ast.parse(block)))
    return any(isinstance(node, ast.Name) and node.id == name for node in found)
