"""What the files around the package say fits the package."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import airflow
import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from virtual_environment import AIRFLOWS, ENVIRONMENTS

from airflow_provider_omics import __version__
from airflow_provider_omics.provider_info import get_provider_info

REPOSITORY = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
REGISTRY: dict[str, Any] = yaml.safe_load((REPOSITORY / ".airflow-registry.yaml").read_text())
URLS: dict[str, str] = PROJECT["project"]["urls"]
LOCKS = sorted((REPOSITORY / "requirements").glob("*.txt"))
OTHER_LOCKS = [REPOSITORY / one.own_lock_file for one in ENVIRONMENTS.values() if one.own_lock_file]

WITHOUT_THE_EXTRA = """
import importlib, pkgutil, sys
import airflow
PAGE_ON_AIRFLOW_3 = ("access", "airflow_database", "app", "queries")
for name in ("moto", "cwltool", "schema_salad"):
    sys.modules[name] = None  # makes importing it fail
import airflow_provider_omics as package
prefix = package.__name__ + "."
names = [module.name for module in pkgutil.walk_packages(package.__path__, prefix)]
outside = [name for name in names if not name.startswith(prefix + "local.")]
if airflow.__version__ < "3":  # which has no asset watchers
    outside.remove(prefix + "triggers.events")
    # ... nor a web server of FastAPI.
    outside = [name for name in outside if name.rpartition(".")[2] not in PAGE_ON_AIRFLOW_3]
for name in [*outside, prefix + "local.cli", prefix + "local.pytest_plugin"]:
    importlib.import_module(name)
print(len(outside))
"""


def listed_in_provider_info(role: str) -> list[str]:
    return [name for entry in get_provider_info()[role] for name in entry["python-modules"]]


def importable(names: list[str]) -> list[str]:
    """Leave out what Airflow 2 refuses, which has no asset watchers."""
    return [name for name in names if airflow.__version__ >= "3" or not name.endswith("triggers.events")]


def classes_to_use(role: str) -> set[str]:
    """The classes that users name, of the modules that the provider info lists for a role."""
    suffix = role.removesuffix("s").capitalize()
    return {
        f"{name}.{member}"
        for name in importable(listed_in_provider_info(role))
        for member, value in inspect.getmembers(importlib.import_module(name), inspect.isclass)
        if value.__module__ == name and member.startswith("Omics") and member.endswith(suffix)
    }


def test_the_registry_file_names_the_package() -> None:
    info = get_provider_info()
    assert REGISTRY["package-name"] == info["package-name"] == PROJECT["project"]["name"]
    assert REGISTRY["display-name"] == info["name"]
    assert REGISTRY["description"] == info["description"]


def test_the_registry_file_says_where_the_project_is() -> None:
    assert REGISTRY["docs-url"] == URLS["Documentation"]
    assert REGISTRY["source-url"] == URLS["Source"]
    raw = URLS["Source"].replace("https://github.com/", "https://raw.githubusercontent.com/")
    assert REGISTRY["logo"] == f"{raw}/main/docs/_static/logo.svg"
    (integration,) = get_provider_info()["integrations"]
    assert integration["logo"] == "/docs/_static/logo.svg"
    assert (REPOSITORY / "docs" / "_static" / "logo.svg").exists()


def test_the_provider_info_has_the_page_of_every_class_that_users_name() -> None:
    (integration,) = get_provider_info()["integrations"]
    pages = (
        page for role in ("operators", "sensors", "triggers") for page in (REPOSITORY / "docs" / role).glob("O*.md")
    )
    assert sorted(integration["how-to-guide"]) == sorted(
        f"/{page.relative_to(REPOSITORY).as_posix()}" for page in pages
    )


def test_the_project_has_an_address_for_each_purpose() -> None:
    assert set(URLS) == {"Documentation", "Source", "Changelog", "Issues", "Security"}
    below = [URLS["Changelog"], URLS["Issues"], URLS["Security"]]
    security = re.findall(r"https://[^)\s]+", (REPOSITORY / "SECURITY.md").read_text())
    assert security
    assert {address for address in [*below, *security] if not address.startswith(f"{URLS['Source']}/")} == set()
    # Nobody's own name or address.
    assert PROJECT["project"]["authors"] == [{"name": "airflow-provider-omics contributors"}]


def test_links_of_the_description_work_on_a_package_index() -> None:
    description = ProjectMetadata(str(REPOSITORY), PluginManager()).core.readme
    links = re.findall(r"\]\(([^)]+)\)", description)
    assert {link for link in links if not link.startswith("https://")} == set()
    pages = [re.fullmatch(rf"{URLS['Documentation']}/(.+)\.html", link) for link in links]
    files = [re.fullmatch(rf"{URLS['Source']}/blob/main/(.+)", link) for link in links]
    named = {f"docs/{page[1]}.md" for page in pages if page} | {file[1] for file in files if file}
    assert len(named) >= 15
    assert {name for name in named if not (REPOSITORY / name).exists()} == set()
    # In the repository they lead to files.
    assert named == set(re.findall(r"\]\((?!https:)([^)]+)\)", (REPOSITORY / "README.md").read_text()))


def test_the_readme_is_one_screen_and_a_half() -> None:
    text = (REPOSITORY / "README.md").read_text()
    assert len(text.splitlines()) <= 95
    assert max(map(len, re.sub(r"\]\([^)]+\)", "]", text).splitlines())) <= 140
    commands = text.split("```bash\n")[1].splitlines()
    assert [line.split()[0] for line in commands[:2]] == ["scripts/demo", "scripts/test"]


@pytest.mark.parametrize(("version", "examples"), [("standard", {"example_dags"}), ("editable", set())])
def test_a_wheel_has_the_example_dags(version: str, examples: set[str]) -> None:
    builder = WheelBuilder(str(REPOSITORY))
    data = builder.get_default_build_data()
    builder.set_build_data_defaults(data)
    for hook in builder.get_build_hooks(str(REPOSITORY / "dist")).values():
        hook.initialize(version, data)
    assert {name for name in data["force_include"] if "example" in name} == examples


def test_a_source_archive_has_all_that_its_commands_and_tests_need() -> None:
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert {name for name in included if not (REPOSITORY / name).exists()} == set()
    assert {"example_dags", "hatch_build.py", "requirements", "scripts", "SECURITY.md"} <= {*included}


def test_the_registry_file_lists_every_class_that_users_name() -> None:
    entries = [*REGISTRY["operators"], *REGISTRY["other"]]
    assert {entry["module"] for entry in REGISTRY["operators"]} == classes_to_use("operators")
    others = classes_to_use("sensors") | classes_to_use("triggers") | classes_to_use("hooks")
    modules = importable([entry["module"].rpartition(".")[0] for entry in REGISTRY["other"]])
    assert {entry["module"] for entry in REGISTRY["other"] if entry["module"].rpartition(".")[0] in modules} == others
    assert all(len(entry["description"].split()) >= 3 for entry in entries)


@pytest.mark.parametrize("role", ["operators", "sensors", "triggers"])
def test_every_class_that_users_name_has_a_page_that_the_contents_list(role: str) -> None:
    folder = REPOSITORY / "docs" / role
    listed = re.findall(r"^\w+ <(Omics\w+)>$", (folder / "index.md").read_text(), re.MULTILINE)
    pages = [page.stem for page in folder.glob("Omics*.md")]
    classes = {name.rpartition(".")[2] for name in classes_to_use(role)}
    assert sorted(listed) == sorted(pages)
    assert classes <= {*pages} <= classes | {"OmicsRunEventTrigger"}  # which Airflow 2 does not import


def test_the_contents_of_the_site_list_every_page() -> None:
    folder = REPOSITORY / "docs"
    index = (folder / "index.md").read_text()
    pages = {page.stem for page in folder.glob("*.md")} - {"index"}
    pages |= {f"{part}/{page.stem}" for part in ("start", "reference") for page in (folder / part).glob("*.md")}
    assert {page for page in pages if not re.search(rf"^(.+ <)?{page}>?$", index, re.MULTILINE)} == set()


def test_the_changelog_has_the_version() -> None:
    newest = re.search(r"^## (?!Unreleased)(\S+)", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest.group(1) == __version__ == PROJECT["project"]["version"]


def test_no_airflow_that_is_still_to_come_is_locked_out() -> None:
    (airflow_itself,) = (one for one in dependencies() if one.name == "apache-airflow")
    assert {bound.operator for bound in airflow_itself.specifier} == {">="}
    # 3.4.0 was there before anybody had tried it.
    assert all(airflow_itself.specifier.contains(version, prereleases=True) for version in ("3.4.0b2", "3.4.0", "4.0"))


@pytest.mark.parametrize(
    ("airflow_version", "package", "breaks_it"),
    [
        # Its execution API answers validation errors under later ones.
        ("3.0", "fastapi", "0.117"),
        ("3.0", "cadwyn", "5.5"),
        # It has no celery.backends.database.retry, which the celery provider imports.
        *((version, "celery", "5.7") for version in AIRFLOWS),
    ],
)
def test_a_lock_holds_back_what_breaks_its_airflow(airflow_version: str, package: str, breaks_it: str) -> None:
    (locked,) = pinned(REPOSITORY / "requirements" / f"airflow-{airflow_version}.txt")[package]
    assert Version(locked) < Version(breaks_it)


def test_there_is_a_lock_for_each_airflow_that_is_tested() -> None:
    assert [lock.stem.removeprefix("airflow-") for lock in LOCKS] == list(AIRFLOWS)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_has_everything_in_a_version_that_is_asked_for(lock: Path) -> None:
    pins = pinned(lock)
    project = PROJECT["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["local"], *asked_by_group("dev")]
    requirements = [Requirement(text) for text in [*asked, f"apache-airflow=={lock.stem.removeprefix('airflow-')}.*"]]

    unfit = [
        f"{requirement}: {version or 'missing'}"
        for requirement in requirements
        for version in pins.get(canonicalize_name(requirement.name), {""})
        if not version or not requirement.specifier.contains(version)
    ]

    assert unfit == []


@pytest.mark.parametrize("lock", [*LOCKS, *OTHER_LOCKS], ids=lambda lock: f"{lock.parent.name}-{lock.stem}")
def test_a_lock_names_no_address_and_no_path(lock: Path) -> None:
    strange = [line for line in lock.read_text().splitlines() if re.search(r"://|--|@|^\s*[./]", line)]
    assert strange == []


def dependencies() -> list[Requirement]:
    """What whoever installs the package gets with it."""
    return [Requirement(text) for text in PROJECT["project"]["dependencies"]]


def asked_by_group(name: str) -> list[str]:
    """What a dependency group asks for, with the groups that it includes."""
    entries: list[str | dict[str, str]] = PROJECT["dependency-groups"][name]
    groups = [[entry] if isinstance(entry, str) else asked_by_group(entry["include-group"]) for entry in entries]
    return [requirement for group in groups for requirement in group]


def pinned(lock: Path) -> dict[str, set[str]]:
    """The versions of each package of a lock; there may be one for each Python."""
    pins: dict[str, set[str]] = {}
    for line in lock.read_text().splitlines():
        if line and not line.startswith(("#", " ")):
            requirement = Requirement(line)
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            pins.setdefault(canonicalize_name(requirement.name), set()).add(pin.version)
    return pins


def test_everything_outside_local_imports_without_what_the_extra_brings() -> None:
    answer = subprocess.run([sys.executable, "-c", WITHOUT_THE_EXTRA], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert int(answer.stdout.split()[-1]) > 15


def test_the_build_has_the_package_and_its_type_marker() -> None:
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["airflow_provider_omics"]
    assert (REPOSITORY / "airflow_provider_omics" / "py.typed").exists()
    assert "Typing :: Typed" in PROJECT["project"]["classifiers"]
