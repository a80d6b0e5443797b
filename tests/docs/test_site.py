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
from airflow_provider_omics.healthomics.api.failures import _SUBMISSIONS, KNOWN_CODES
from airflow_provider_omics.healthomics.requests import identity
from airflow_provider_omics.healthomics.results.table import COLUMNS
from airflow_provider_omics.operators import xcom_keys
from airflow_provider_omics.provider_info import get_provider_info
from airflow_provider_omics.usage.columns import USAGE_COLUMNS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "airflow_provider_omics"
SITE = ROOT / "docs" / "_build" / "html"


def test_the_site_builds_and_has_everything() -> None:
    """In one test, since building takes half a minute."""
    built = subprocess.run([ROOT / "scripts" / "docs"], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert built.stdout.strip() == str(SITE / "index.html")
    missing = {place: lost for place, lost in all_missing() if lost}
    assert missing == {}


def all_missing() -> Iterator[tuple[str, list[str]]]:
    for one in PUBLIC:
        page = f"{one.__module__.split('.')[1]}/{one.__name__}"
        yield page, [name for name in taken(one) if f'id="{anchor("parameter", name)}"' not in html(page)]
    yield "example DAGs", [file.name for file in (ROOT / "example_dags").glob("*.py") if not pages_with(file)]
    yield lost("reference/exceptions", (f'id="{name}"' for name in public_exceptions()))
    yield lost("reference/failure-codes", shown([*KNOWN_CODES, *_SUBMISSIONS]))
    yield lost("reference/xcom-keys", shown(constants(xcom_keys, "XCOM_")))
    yield lost("reference/results-table", shown([*COLUMNS, *USAGE_COLUMNS]))
    yield lost("reference/metrics", shown(metrics()))
    yield lost("reference/tags", shown({*tags()}))
    yield lost("reference/settings", shown(settings()))
    yield lost("reference/settings", shown(f"service_config.omics.{name}" for name in connection_settings()))


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
    return f"{kind}-{name}".replace("_", "-")


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


def tags() -> Iterator[str]:
    """Give the names of tags, which all begin with airflow."""
    key = identity.JobKey(identity.TaskIdentity("dag", "run", "task"), "fingerprint")
    yield from key.tags(0)
    for file in PACKAGE.rglob("*.py"):
        yield from re.findall(r'^[A-Z_]+_TAG = "(airflow-[\w-]+)"$', file.read_text(encoding="utf-8"), re.MULTILINE)


def settings() -> Iterator[str]:
    for section, entry in get_provider_info()["config"].items():
        yield from (f"[{section}] {option}" for option in entry["options"])


def connection_settings() -> set[str]:
    """Return what is read of the connection's settings for HealthOmics."""
    return {
        str(call.args[0].value)
        for call in calls("get")
        if "get_service_config('omics')" in ast.unparse(call.func) and isinstance(call.args[0], ast.Constant)
    }


def calls(*methods: str) -> Iterator[ast.Call]:
    """Give the calls of methods of some names, anywhere in the package."""
    for file in PACKAGE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if not any(f".{method}(" in text for method in methods):
            continue
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in methods
                and node.args
            ):
                yield node


def test_the_code_has_what_the_checks_look_for() -> None:
    assert {"omics.watch.calls", "omics.watch.answer_age"} <= metrics()
    assert {"airflow-intent", "airflow-cohort", "airflow-workflow-content"} <= {*tags()}
    assert {"namespace", "calls_per_second"} <= connection_settings()
    assert "OmicsRunFailedNonRetryableError" in public_exceptions()
