"""Extra links of operators and sensors, as their source has them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache

from omics_classes import PublicClass, module_tree, with_bases

LINKS = "airflow_provider_omics.links.omics"
_ATTRIBUTE = "operator_extra_links"


def extra_links(one: PublicClass) -> Iterator[tuple[str, str]]:
    """Give the name of each link of a class, and what it leads to."""
    known = described_links()
    for link in _named(_given(one.module, one.name)):
        yield known[link]


@cache
def described_links() -> Mapping[str, tuple[str, str]]:
    """Return name and text of each link, by its class."""
    classes = (node for node in module_tree(LINKS).body if isinstance(node, ast.ClassDef))
    return {
        node.name: (name, " ".join((ast.get_docstring(node) or "").split()))
        for node in classes
        if (name := _text(_assigned(node.body, "name"))) is not None
    }


def _given(module: str, name: str) -> ast.expr | None:
    """Return what a class, or the first of its bases that has any, is given as links."""
    given = (_assigned(node.body, _ATTRIBUTE) for node in with_bases(module, name))
    return next((one for one in given if one is not None), None)


def _named(given: ast.expr | None) -> Iterator[str]:
    """Give the classes of links, in their order."""
    match given:
        case ast.Tuple(elts=each):
            for one in each:
                yield from _named(one)
        case ast.Starred(value=inner) | ast.IfExp(body=inner):
            # What only some Airflows have is shown, too.
            yield from _named(inner)
        case ast.Call(func=ast.Name(id=name)):
            yield name
        case ast.Name(id=name):
            yield from _named(_assigned(module_tree(LINKS).body, name))


def _assigned(body: list[ast.stmt], name: str) -> ast.expr | None:
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                return value
            case ast.AnnAssign(target=ast.Name(id=target), value=value) if target == name:
                return value
    return None


def _text(value: ast.expr | None) -> str | None:
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
