"""Operators, sensors and triggers as their source has them, read without importing it, since Airflow is not there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from airflow_provider_omics.provider_info import get_provider_info

ROOT = Path(__file__).resolve().parents[2]
ROLES = {"operators": "Operator", "sensors": "Sensor", "triggers": "Trigger"}
_PARAMETER = re.compile(r"^:param (\w+):[ ]?(.*?)(?=^:|\Z)", re.MULTILINE | re.DOTALL)
_RAISES = re.compile(r"^:raises (\w+):[ ]?(.*?)(?=^:|\Z)", re.MULTILINE | re.DOTALL)
# A line of the text may begin with a role, such as :class:.
_FIELD = re.compile(r"^:(?:param|returns?|raises?|[ci]var)\b", re.MULTILINE)


@dataclass(frozen=True)
class PublicClass:
    """A class that users name in DAGs.

    :ivar role: ``operators``, ``sensors`` or ``triggers``.
    :ivar module: where it is defined.
    :ivar exported_by: the module to import it from.
    :ivar text: its docstring without parameters.
    :ivar parameters: each with its text, in the order of the docstring.
    :ivar raises: each exception of the constructor with its text.
    :ivar types: what each parameter may be, as its class or the base that has it writes it.
    """

    name: str
    role: str
    module: str
    exported_by: str
    text: str
    parameters: Mapping[str, str]
    raises: Mapping[str, str]
    types: Mapping[str, str]

    @property
    def summary(self) -> str:
        return self.text.partition("\n\n")[0]

    @property
    def mentions(self) -> set[str]:
        """What the text has in double backticks."""
        return set(re.findall(r"``([^`]+)``", self.text))


@cache
def public_classes() -> Mapping[str, PublicClass]:
    """Return the classes that users name, by their names."""
    return {found.name: found for role in ROLES for found in _classes_of(role)}


def exported(module: str) -> list[str]:
    """Return ``__all__`` of a module, as far as it is a list of names."""
    for node in module_tree(module).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def imported_from(module: str) -> Mapping[str, str]:
    """Return the modules that the names of a module are imported from."""
    imports = (node for node in module_tree(module).body if isinstance(node, ast.ImportFrom))
    return {alias.name: node.module or "" for node in imports for alias in node.names}


def docstring(module: str, name: str) -> str:
    """Return the docstring of a class that a module defines or imports."""
    for node in module_tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return ast.get_docstring(node) or ""
    return docstring(imported_from(module)[name], name)


def documented_constants(module: str) -> Iterator[tuple[str, str]]:
    """Give the value of each text constant that has a docstring, and the docstring."""
    body = module_tree(module).body
    for constant, text in pairwise(body):
        if isinstance(constant, ast.Assign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            yield ast.literal_eval(constant.value), " ".join(str(text.value.value).split())


def _classes_of(role: str) -> Iterator[PublicClass]:
    (entry,) = get_provider_info()[role]
    modules: list[str] = entry["python-modules"]
    is_public = re.compile(rf"Omics\w+{ROLES[role]}").fullmatch
    for module in modules:
        for node in module_tree(module).body:
            if isinstance(node, ast.ClassDef) and is_public(node.name):
                exporters = [one for one in modules if node.name in exported(one)]
                text = ast.get_docstring(node) or ""
                first_field = _FIELD.search(text)
                yield PublicClass(
                    node.name,
                    role,
                    module,
                    min([module, *exporters], key=len),
                    text[: first_field.start()].strip() if first_field else text,
                    {name: " ".join(told.split()) for name, told in _PARAMETER.findall(text)},
                    {name: " ".join(told.split()) for name, told in _RAISES.findall(text)},
                    _annotations(module, node.name),
                )


def with_bases(module: str, name: str) -> Iterator[ast.ClassDef]:
    """Give a class, then those of this package that it inherits from, nearest first."""
    if not module.startswith("airflow_provider_omics."):
        return
    node = next(
        (node for node in module_tree(module).body if isinstance(node, ast.ClassDef) and node.name == name), None
    )
    if node is None:
        yield from with_bases(imported_from(module).get(name, ""), name)
        return
    yield node
    for base in node.bases:
        plain = base.value if isinstance(base, ast.Subscript) else base
        if isinstance(plain, ast.Name):
            yield from with_bases(module, plain.id)


def _annotations(module: str, name: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for node in with_bases(module, name):
        made = (member for member in node.body if isinstance(member, ast.FunctionDef) and member.name == "__init__")
        for argument in (argument for member in made for argument in member.args.kwonlyargs):
            if argument.annotation is not None:
                found.setdefault(argument.arg, ast.unparse(argument.annotation))
    return found


@cache
def module_tree(module: str) -> ast.Module:
    """Return the source of a module, parsed."""
    path = ROOT / module.replace(".", "/")
    file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    return ast.parse(file.read_text(encoding="utf-8"))
