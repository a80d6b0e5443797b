"""The site builds without a warning or a dead link, and has all that users name."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from public_classes import PUBLIC, taken

from airflow_provider_omics import exceptions
from airflow_provider_omics.healthomics.api.failures import _BATCHES, _SUBMISSIONS, KNOWN_CODES
from airflow_provider_omics.healthomics.requests import identity
from airflow_provider_omics.healthomics.results.table import COLUMNS
from airflow_provider_omics.links import omics as links
from airflow_provider_omics.operators import xcom_keys
from airflow_provider_omics.permissions import HOOK_METHODS, PERMISSIONS
from airflow_provider_omics.provider_info import get_provider_info
from airflow_provider_omics.usage.columns import USAGE_COLUMNS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "airflow_provider_omics"
SITE = ROOT / "docs" / "_build" / "html"
API = "reference/api/airflow_provider_omics"
HOOK = "airflow_provider_omics.hooks.omics.OmicsHook"
IMPORT = re.compile(r"^\s*(?:from|import) (airflow_provider_omics[\w.]*)", re.MULTILINE)


def test_the_site_builds_and_has_everything() -> None:
    """In one test, since building takes half a minute."""
    built = subprocess.run([ROOT / "scripts" / "docs"], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert built.stdout.strip() == str(SITE / "index.html")
    missing = {place: lost for place, lost in all_missing() if lost}
    assert missing == {}


def all_missing() -> Iterator[tuple[str, list[str]]]:
    yield from of_classes()
    yield "example DAGs", [file.name for file in (ROOT / "example_dags").glob("*.py") if not pages_with(file)]
    yield lost("reference/exceptions", (f'id="{name}"' for name in public_exceptions()))
    yield lost("reference/failure-codes", shown([*KNOWN_CODES, *_SUBMISSIONS]))
    yield lost("reference/failure-codes", shown(pattern.pattern for pattern, *_ in _BATCHES))
    yield lost("reference/xcom-keys", shown(constants(xcom_keys, "XCOM_")))
    yield lost("reference/results-table", shown([*COLUMNS, *USAGE_COLUMNS]))
    yield lost("reference/metrics", shown(metrics()))
    yield lost("reference/tags", shown({*tags()}))
    yield lost("local-server", shown(simulation_tags()))
    yield lost("reference/links", (f"<p>{name}</p>" for name in link_names()))
    yield lost("reference/settings", shown(settings()))
    yield lost("reference/settings", (f"{name}</span>" for name in {*airflow_options(), *environment_variables()}))
    yield lost("reference/settings", shown(connection_extras()))
    yield lost("reference/permissions", (f"<h3>{name}<a" for name in PERMISSIONS))
    yield lost("reference/permissions", shown(HOOK_METHODS))
    yield lost(f"{API}/hooks/omics/index", (f'id="{HOOK}.{name}"' for name in hook_methods()))
    yield "the API", sorted(imported_by_users() - shown_modules())


def of_classes() -> Iterator[tuple[str, list[str]]]:
    """Give what is missing of operators, sensors and triggers: each has a page, which the index of its kind names."""
    for one in PUBLIC:
        role = one.__module__.split(".")[1]
        page = f"{role}/{one.__name__}"
        marks = [f'id="{anchor("parameter", name)}"' for name in taken(one)]
        marks += [f'id="{anchor("link", link.name)}"' for link in getattr(one, "operator_extra_links", ())]
        marks += [f'href="../recipes/{recipe}.html"' for recipe in recipes_with(one.__name__)]
        marks += [f'id="{anchor("permission", feature.option)}"' for feature in PERMISSIONS[one.__name__].features]
        # The docstring's last sentence, the class's policy and its anchor.
        marks += [*re.findall(r"https://docs\.aws\S+", one.__doc__ or ""), "2012-10-17", f'id="{one.__name__}"']
        yield lost(page, marks)
        yield lost(f"{role}/index", [f'href="{one.__name__}.html"'])


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "pictures").glob("*.svg")), ids=lambda file: file.stem)
def test_a_picture_is_on_a_page_and_can_be_read_without_being_seen(picture: Path) -> None:
    drawn = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    told = {child.get("id"): child.text or "" for child in drawn if child.tag.endswith(("title", "desc"))}
    assert drawn.get("role") == "img"
    assert (
        list(told) == (drawn.get("aria-labelledby") or "").split() == [f"{picture.stem}-title", f"{picture.stem}-desc"]
    )
    assert len(told[f"{picture.stem}-desc"].split()) >= 40
    # Letters and lines have the colour of the page's text, in light and in dark.
    assert "fill: currentColor" in picture.read_text(encoding="utf-8")
    assert not {*re.findall(r"(?:fill|stroke)=\"(#\w+)\"", picture.read_text(encoding="utf-8"))}
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md")]
    assert any(f"{{omics-picture}} {picture.stem}\n" in page for page in pages)


def pages_with(example: Path) -> list[str]:
    """Return the pages of classes that show what an example DAG does with them."""
    pages = (f"{one.__module__.split('.')[1]}/{one.__name__}" for one in PUBLIC)
    return [page for page in pages if f'href="../files/example_dags/{example.name}.html"' in html(page)]


def recipes_with(name: str) -> list[str]:
    """Return the recipes whose code makes something of a class."""
    made = re.compile(rf"^```python\n(?:(?!```).)*?\b{name}(?:\.partial)?\(", re.MULTILINE | re.DOTALL)
    pages = (ROOT / "docs" / "recipes").glob("*.md")
    return [page.stem for page in pages if made.search(page.read_text(encoding="utf-8"))]


def lost(page: str, marks: Iterable[str]) -> tuple[str, list[str]]:
    return page, [mark for mark in marks if mark not in html(page)]


def shown(names: Iterable[str]) -> Iterator[str]:
    """Give names as literals of a page."""
    return (f'<span class="pre">{name}</span>' for name in names)


@cache
def html(page: str) -> str:
    file = SITE / f"{page}.html"
    text = unescape(file.read_text(encoding="utf-8")) if file.exists() else ""
    # Words of one literal are apart on a page.
    return text.replace('</span> <span class="pre">', " ")


def anchor(kind: str, name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"{kind}-{name}".lower())


def public_exceptions() -> list[str]:
    """Return the exceptions that can be caught, with their non-retryable twins."""
    return [name for name, one in vars(exceptions).items() if name.startswith("Omics") and isinstance(one, type)]


def constants(module: Any, prefix: str) -> list[str]:
    return [value for name, value in vars(module).items() if name.startswith(prefix)]


def metrics() -> set[str]:
    """Return the metrics that the code counts or measures anywhere."""
    return {
        f"omics.watch.{call.args[0].value}"
        for call in calls("count", "gauge")
        if ast.unparse(call.func).endswith(("_metrics.count", "_metrics.gauge"))
        and isinstance(call.args[0], ast.Constant)
    }


def simulation_tags() -> set[str]:
    """Return the tags by which the local server is told what a run comes to."""
    files = (file.read_text(encoding="utf-8") for file in (PACKAGE / "local").rglob("*.py"))
    return {name for text in files for name in re.findall(r'"(omics-local:[\w-]+)"', text)}


def link_names() -> list[str]:
    listed = [path.rpartition(".")[2] for path in get_provider_info()["extra-links"]]
    return [getattr(links, name).name for name in listed]


def hook_methods() -> list[str]:
    """Return the methods of the hook that call an AWS API, and those that wait."""
    return [name.removeprefix("OmicsHook.") for name in HOOK_METHODS]


def imported_by_users() -> set[str]:
    """Return the modules that snippets and example DAGs import, beside those of operators, sensors and triggers."""
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", *(ROOT / "example_dags").glob("*.py")]
    written = (page for page in pages if not page.is_relative_to(ROOT / "docs" / "files"))
    found = {name for page in written for name in IMPORT.findall(page.read_text(encoding="utf-8"))}
    return {name for name in found if name.split(".")[1:2] not in (["operators"], ["sensors"], ["triggers"])} - {
        exceptions.__name__
    }


def shown_modules() -> set[str]:
    """Return the modules that have a page, and the packages that export what they have."""
    pages = (page.parent.relative_to(SITE / "reference" / "api") for page in (SITE / API).rglob("index.html"))
    named = {".".join(page.parts) for page in pages}
    return named | {name.rpartition(".")[0] for name in named}


def tags() -> Iterator[str]:
    """Give the names of tags, which all begin with airflow."""
    key = identity.JobKey(identity.TaskIdentity("dag", "run", "task"), "fingerprint")
    yield from key.tags(0)
    for file in PACKAGE.rglob("*.py"):
        yield from re.findall(r'^[A-Z_]+_TAG = "(airflow-[\w-]+)"$', file.read_text(encoding="utf-8"), re.MULTILINE)


def settings() -> Iterator[str]:
    for section, entry in get_provider_info()["config"].items():
        yield from (f"[{section}] {option}" for option in entry["options"])


def airflow_options() -> set[str]:
    """Return the options of Airflow's configuration that the package reads."""
    options: set[str] = set()
    for file, tree in modules("conf.get", "_get("):
        reads = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and len(node.args) > 1)
        for call in reads:
            name = ast.unparse(call.func)
            if name.startswith("conf.get") or (name == "_get" and file.stem == "namespace"):
                options |= texts(call.args[1], tree)
    return options - {"option"}


def environment_variables() -> set[str]:
    """Return the environment variables that the package reads by their names."""
    read = r"""os\.(?:environ(?:\.get)?|getenv)[\[(]"(\w+)"|"(\w+)" (?:not )?in os\.environ"""
    # The local server runs tools, in environments of their own.
    files = (file for file in PACKAGE.rglob("*.py") if not file.is_relative_to(PACKAGE / "local"))
    found = (match for file in files for match in re.findall(read, file.read_text(encoding="utf-8")))
    return {name for names in found for name in names if name}


def texts(value: ast.expr, tree: ast.Module) -> set[str]:
    """Return the texts that an expression may have, also by a name that is assigned in its module."""
    if isinstance(value, ast.Name):
        given = (node for node in ast.walk(tree) if isinstance(node, ast.Assign))
        named = (node.value for node in given if any(ast.unparse(target) == value.id for target in node.targets))
        return {text for one in named for text in texts(one, tree)}
    if isinstance(value, ast.IfExp):
        return texts(value.body, tree) | texts(value.orelse, tree)
    return {value.value} if isinstance(value, ast.Constant) and isinstance(value.value, str) else set()


def connection_extras() -> set[str]:
    """Return what the package itself reads of a connection's extra."""
    own = {
        f"service_config.omics.{call.args[0].value}"
        for call in calls("get")
        if "get_service_config('omics')" in ast.unparse(call.func) and isinstance(call.args[0], ast.Constant)
    }
    read = (call for call in calls("get") if ast.unparse(call.func).endswith("extra_config.get"))
    return own | {str(call.args[0].value) for call in read if isinstance(call.args[0], ast.Constant)}


def calls(*methods: str) -> Iterator[ast.Call]:
    """Give the calls of methods of some names, anywhere in the package."""
    for _, tree in modules(*(f".{method}(" for method in methods)):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in methods
                and node.args
            ):
                yield node


def modules(*mentions: str) -> Iterator[tuple[Path, ast.Module]]:
    """Give the modules of the package whose text has one of some words, parsed."""
    for file in PACKAGE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if any(mention in text for mention in mentions):
            yield file, ast.parse(text)


def test_the_code_has_what_the_checks_look_for() -> None:
    assert {"omics.watch.calls", "omics.watch.answer_age"} <= metrics()
    assert {"airflow-intent", "airflow-cohort", "airflow-workflow-content"} <= {*tags()}
    assert {"service_config.omics.namespace", "service_config.omics.calls_per_second", "config_kwargs"} <= (
        connection_extras()
    )
    assert {"default_deferrable", "base_url", "clear_on_success", "fernet_key"} <= airflow_options()
    assert {"AWS_RETRY_MODE", "AIRFLOW_HOME"} <= environment_variables()
    assert {"omics-local:outcome", "omics-local:fails-starting"} <= simulation_tags()
    assert {"airflow_provider_omics.hooks.omics", "airflow_provider_omics.retry_policy"} <= imported_by_users()
    assert "OmicsRunFailedNonRetryableError" in public_exceptions()
    assert {"cohorts", "types", "tolerances"} <= {*recipes_with("OmicsStartRunBatchOperator")}


def test_every_kind_of_thing_that_users_name_is_looked_for() -> None:
    # Which has every operator, sensor and trigger, as a test of its own says.
    assert {one.__name__ for one in PUBLIC} == set(PERMISSIONS)
    # A new key, such as notifications, has things that users name; all_missing() is to look for them too.
    assert set(get_provider_info()) == {
        *("package-name", "name", "description", "versions", "integrations"),
        *("hooks", "operators", "sensors", "triggers", "extra-links", "config"),
    }
    # Metrics of others would be looked for in vain.
    assert [file.name for file, _ in modules("Stats.")] == ["watchers.py"]


def test_the_reference_names_no_metric_or_tag_that_there_is_not() -> None:
    assert set(re.findall(r"omics\.watch\.\w+", (ROOT / "docs/reference/metrics.md").read_text())) == metrics()
    named = set(re.findall(r"`(airflow-[a-z-]+)`", (ROOT / "docs/reference/tags.md").read_text()))
    assert named - {"airflow-auto-"} == {*tags()}
