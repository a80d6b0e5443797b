"""Links of a definition: those of an archive are taken, and refused, as those of a folder are."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from airflow_provider_omics.workflows import file_tree
from airflow_provider_omics.workflows.bundle import Bundle, DefinitionError, read_bundle

NF = "workflow { }\n"
LEADS_OUT = "is a link that leads out of PLACE. Put what it leads to there in its place."
LEADS_NOWHERE = "is a link that leads nowhere. Remove it, or mend it."
GOES_ROUND = "is a link to a folder that it is in. Remove it."


def make_folder(folder: Path, files: Mapping[str, str], links: Mapping[str, str]) -> Path:
    for path in (*files, *links):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        (folder / path).write_text(content)
    for path, target in links.items():
        (folder / path).symlink_to(target)
    return folder


def zipped(folder: Path) -> Path:
    """Zip a folder as zip -y does, with links as links."""
    path = folder.parent / "flow.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for place, folders, names in os.walk(folder):
            for each in (Path(place, name) for name in (*folders, *names)):
                name = each.relative_to(folder).as_posix()
                if each.is_symlink():
                    link = zipfile.ZipInfo(name)
                    link.create_system, link.external_attr = 3, 0o120777 << 16
                    archive.writestr(link, str(each.readlink()))
                else:
                    archive.write(each, name)
    return path


def both(folder: Path) -> list[Path]:
    return [folder, zipped(folder)]


FOLLOWED: dict[str, tuple[dict[str, str], dict[str, str], dict[str, str]]] = {
    "file": ({"lib/a.nf": "a"}, {"b.nf": "lib/a.nf", "lib/c.nf": "../b.nf"}, {"b.nf": "a", "lib/c.nf": "a"}),
    "folder": ({"modules/x/a.nf": "a"}, {"copy": "modules"}, {"copy/x/a.nf": "a"}),
    "folder of a folder": ({"m/x/a.nf": "a"}, {"c": "./m/x/", "d": "c"}, {"c/a.nf": "a", "d/a.nf": "a"}),
    "link within a linked folder": (
        {"m/a.nf": "a", "b.nf": "b"},
        {"m/l.nf": "../b.nf", "deep": "m", "x/y": "../deep/l.nf"},
        {"m/l.nf": "b", "deep/a.nf": "a", "deep/l.nf": "b", "x/y": "b"},
    ),
    "folder beside it that leads back": (
        {"a/a.nf": "a", "b/b.nf": "b"},
        {"a/to": "../b"},
        {"a/to/b.nf": "b"},
    ),
    "file that is left behind": ({"old/a.nf~": "a"}, {"b.nf": "old/a.nf~"}, {"b.nf": "a"}),
    "folder that is left behind": ({".venv/m/a.nf": "a", ".venv/m/a.pyc": ""}, {"m": ".venv/m"}, {"m/a.nf": "a"}),
    "link that is left behind": ({}, {"a.nf~": "nowhere", ".DS_Store": "/etc/hostname"}, {}),
    "empty folder": ({"x/y/.DS_Store": ""}, {"z": "x/y"}, {}),
}


@pytest.mark.parametrize("kind", FOLLOWED)
def test_links_stand_for_what_they_lead_to(tmp_path: Path, kind: str) -> None:
    files, links, made = FOLLOWED[kind]
    folder = make_folder(tmp_path / "flow", {"main.nf": NF, **files}, links)
    plain = read_bundle(make_folder(tmp_path / "plain", {"main.nf": NF, **files, **made}, {}))
    for place in both(folder):
        assert list(read_bundle(place).files) == list(plain.files)
        assert read_bundle(place).digest == plain.digest


REFUSED: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "nowhere": ({"docs/old": "older"}, {"docs/old": LEADS_NOWHERE}),
    "below a file": ({"a": "main.nf/b"}, {"a": LEADS_NOWHERE}),
    "by way of a file": ({"a": "main.nf/../main.nf"}, {"a": LEADS_NOWHERE}),
    "to itself": ({"a": "a", "b": "c", "c": "b"}, {"a": LEADS_NOWHERE, "b": LEADS_NOWHERE, "c": LEADS_NOWHERE}),
    "to a file elsewhere": ({"a": "/etc/hosts"}, {"a": LEADS_OUT}),
    "to a folder elsewhere": ({"m/a": "../.."}, {"m/a": LEADS_OUT}),
    "to a folder elsewhere, by way of another link": ({"m": "lib", "a": "m/../.."}, {"a": LEADS_OUT}),
    "round": (
        {"lib/round": "..", "copy": "lib"},
        {"copy/round": GOES_ROUND, "lib/round": GOES_ROUND},
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_links_that_lead_nowhere_or_out_are_refused(tmp_path: Path, kind: str) -> None:
    links, wanted = REFUSED[kind]
    for place in both(make_folder(tmp_path / "flow", {"main.nf": NF, "lib/a.nf": NF}, links)):
        with pytest.raises(DefinitionError) as caught:
            read_bundle(place)
        assert sorted(map(str, caught.value.issues)) == [
            f"{path}: {what.replace('PLACE', str(place))}" for path, what in wanted.items()
        ]


def test_links_that_multiply_come_to_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links = {f"{n}/{name}": f"../{n + 1}" for n in range(40) for name in "ab"}
    folder = make_folder(tmp_path / "flow", {"main.nf": NF, "40/a.nf": NF}, links)
    monkeypatch.setattr(file_tree, "MOST_PATHS", 1000)
    for place in both(folder):
        with pytest.raises(DefinitionError, match="files and folders, with those that links lead to"):
            read_bundle(place)


def test_what_links_lead_to_counts_as_often_as_they_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_omics.workflows.bundle._MOST_BYTES", 1000)
    files = {"main.nf": NF, "a~": "x" * 900}
    assert [isinstance(read_bundle(place), Bundle) for place in both(make_folder(tmp_path / "a", files, {"b": "a~"}))]
    for place in both(make_folder(tmp_path / "b", files, {"b": "a~", "c": "b", "d": "nowhere"})):
        with pytest.raises(DefinitionError) as caught:
            read_bundle(place)
        assert [issue.what.partition(",")[0] for issue in caught.value.issues] == [
            "is a link that leads nowhere",
            "takes 1",
        ]
