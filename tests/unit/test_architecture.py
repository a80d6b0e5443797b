"""The rooms of the package: what each may import, and that no two modules need each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "airflow_provider_omics"
MOST_LINES = 400
API = ("api",)
#: What each room of ``healthomics`` may import, beside itself.
HEALTHOMICS: Mapping[str, tuple[str, ...]] = {
    "api": (),
    "requests": API,
    "polling": API,
    "run_settings": (*API, "requests"),
    "runs": (*API, "polling"),
    "discovery": (*API, "requests", "polling"),
    "batches": (*API, "requests", "polling", "discovery", "runs"),
    "results": (*API, "requests", "runs", "batches"),
    "pruning": (*API, "requests", "discovery", "runs", "batches"),
    "watcher": (*API, "polling", "discovery", "runs", "batches"),
}
#: What each room of the package may import, beside itself.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "healthomics": (),
    "account": ("healthomics",),
    "workflows": ("healthomics",),
    "compat": ("healthomics",),
    "permissions": ("healthomics",),
    "preflight": ("healthomics",),
    "exceptions": ("healthomics", "account", "preflight", "workflows"),
    "provider_info": (),
    "usage": ("healthomics",),
    "lineage": ("healthomics",),
    "retry_policy": ("healthomics", "compat", "exceptions"),
    "report": ("healthomics", "usage"),
    "hooks": ("healthomics", "account", "preflight", "workflows", "compat", "exceptions"),
    "jobs": ("healthomics", "usage", "compat", "exceptions", "hooks"),
    "links": ("healthomics", "compat", "hooks"),
    "triggers": ("healthomics", "account", "workflows", "compat", "exceptions", "hooks", "jobs"),
    "operators": (
        "healthomics",
        "account",
        "preflight",
        "report",
        "workflows",
        "usage",
        "lineage",
        "compat",
        "exceptions",
        "hooks",
        "jobs",
        "links",
        "triggers",
    ),
    "sensors": (
        "healthomics",
        "account",
        "workflows",
        "compat",
        "exceptions",
        "hooks",
        "links",
        "triggers",
        "operators",
    ),
    "local": ("healthomics", "workflows", "usage"),
    "page": ("healthomics", "compat", "hooks", "jobs", "links", "operators"),
}


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(file): file for file in sorted((ROOT / PACKAGE).rglob("*.py"))}


@cache
def imports() -> Mapping[str, frozenset[str]]:
    """The modules of the package that each module imports, for types too."""
    return {name: frozenset(_imports(file) - {name}) for name, file in MODULES.items()}


def _imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            found.update(_imported(node))
    return {name for name in found if name in MODULES}


def _imported(node: ast.ImportFrom) -> Iterator[str]:
    for alias in node.names:
        module = f"{node.module}.{alias.name}"
        yield module if module in MODULES else str(node.module)


def room(module: str, below: str) -> str | None:
    """The room of a module below a package; None for the package itself and for what is outside."""
    rest = module.removeprefix(f"{below}.")
    return rest.partition(".")[0] if rest != module else None


def arrows(below: str) -> Iterator[tuple[str, str, str, str]]:
    for importer, imported in imports().items():
        for module in imported:
            here, there = room(importer, below), room(module, below)
            if here is not None and there is not None and here != there:
                yield here, there, importer, module


@pytest.mark.parametrize(("below", "allowed"), [(f"{PACKAGE}.healthomics", HEALTHOMICS), (PACKAGE, PACKAGES)])
def test_a_room_imports_only_what_is_below_it(below: str, allowed: Mapping[str, tuple[str, ...]]) -> None:
    wrong = [f"{importer} imports {module}" for a, b, importer, module in arrows(below) if b not in allowed[a]]
    assert not wrong
    folder = ROOT.joinpath(*below.split("."))
    rooms = {path.stem for path in folder.iterdir() if (path / "__init__.py").exists() or path.suffix == ".py"}
    assert rooms - {"__init__"} == set(allowed)


def test_no_modules_need_each_other() -> None:
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        pytest.fail(f"these modules import each other: {' -> '.join(error.args[1])}")


def test_healthomics_account_workflows_and_local_do_without_airflow() -> None:
    rooms = ("healthomics", "account", "permissions", "preflight", "workflows", "usage", "lineage", "report", "local")
    outside = [name for name in MODULES if room(name, PACKAGE) in rooms]
    assert [name for name in outside if name != f"{PACKAGE}.local.pytest_plugin" and _wants_airflow(name)] == []


def _wants_airflow(name: str) -> bool:
    text = MODULES[name].read_text()
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    modules = [getattr(node, "module", None) or node.names[0].name for node in nodes]
    return any(module.partition(".")[0] == "airflow" for module in modules)


@pytest.mark.parametrize("file", [pytest.param(file, id=name) for name, file in MODULES.items()])
def test_a_module_is_short_enough_to_be_read(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= MOST_LINES
