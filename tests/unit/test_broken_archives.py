"""Folders and archives of a definition: the same content of the same files, and broken ones are told."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from broken_cases import NF, WDL, network_refused, told, write

from airflow_provider_omics.operators.workflow import OmicsCreateWorkflowOperator
from airflow_provider_omics.workflows.bundle import read_bundle


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    with network_refused():
        yield


def test_links_that_lead_out_or_nowhere_are_told(tmp_path: Path) -> None:
    folder = write(tmp_path / "flow", {"main.nf": NF})
    (folder / "a.txt").symlink_to(tmp_path / "nothing")
    (issue,) = told(folder)
    assert issue == "a.txt: is a link that leads nowhere. Remove it, or mend it."
    (tmp_path / "nothing").write_text("secret")
    (issue,) = told(folder)
    assert issue.startswith("a.txt: is a link that leads out of")


def test_links_within_a_folder_stand_for_what_they_lead_to(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", {"main.nf": NF, "modules/a.nf": NF, "copy/a.nf": NF})
    linked = write(tmp_path / "linked", {"main.nf": NF, "modules/a.nf": NF})
    (linked / "copy").symlink_to("modules")
    assert read_bundle(linked).digest == read_bundle(plain).digest
    (linked / "modules" / "round").symlink_to(linked)
    (linked / "modules" / "out").symlink_to(tmp_path)
    assert sorted(told(linked)) == [
        f"copy/out: is a link that leads out of {linked}. Put what it leads to there in its place.",
        "copy/round: is a link to a folder that it is in. Remove it.",
        f"modules/out: is a link that leads out of {linked}. Put what it leads to there in its place.",
        "modules/round: is a link to a folder that it is in. Remove it.",
    ]


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "flow", {"main.nf": NF})
    os.mkfifo(folder / "pipe")
    assert told(folder) == ["pipe: is neither a file nor a folder. Remove it, or give a folder without it."]
    assert told(folder / "pipe") == [
        f"{folder}/pipe: is neither a file nor a folder. Give a folder, a file or a zip archive."
    ]


class _Unmarked(zipfile.ZipInfo):
    """A member as Info-ZIP writes it: with a name that is UTF-8, and is not marked as such."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode(), self.flag_bits


def test_an_archive_of_a_folder_is_the_same_content_whatever_made_it(tmp_path: Path) -> None:
    files = {"main.nf": NF, "lib/\u00e4 b.txt": "x", "bin/a.sh": "x"}
    folder = write(tmp_path / "flow", files)
    (folder / "bin" / "a.sh").chmod(0o755)
    junk = {"__MACOSX/._main.nf": "x", ".DS_Store": "x", ".git/HEAD": "x", "lib/__pycache__/a.pyc": "x"}
    spellings: list[Callable[[str], str]] = [lambda name: f"./{name}", lambda name: name.replace("/", "\\"), str]
    for number, spell in enumerate(spellings):
        path = tmp_path / f"flow{number}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in sorted({**files, **junk}.items(), reverse=number == 1):
                info = (_Unmarked if number == 2 else zipfile.ZipInfo)(spell(name), (2000 + number, 1, 1, 0, 0, 0))
                info.create_system, info.external_attr = 3, (0o100700 if name == "bin/a.sh" else 0o100600) << 16
                archive.writestr(info, content)
        assert read_bundle(path).digest == read_bundle(folder).digest, number


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_in_an_archive_are_told(tmp_path: Path) -> None:
    path = tmp_path / "flow.zip"
    for others, count in ((WDL, 0), ("version 1.0\n", 1)):
        with zipfile.ZipFile(path, "w") as archive:
            for text in (WDL, others):
                archive.writestr("main.wdl", text)
        if count:
            (issue,) = told(path)
            assert issue.startswith(f"{path}: holds 'main.wdl' twice, with different content. Zip")
        else:
            assert read_bundle(path).text("main.wdl") == WDL


def test_archives_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    path = tmp_path / "flow.zip"
    path.write_bytes(b"PK not at all")
    (issue,) = told(path)
    assert issue.startswith(f"{path}: is no zip archive that can be read")
    outside = io.BytesIO()
    with zipfile.ZipFile(outside, "w") as archive:
        archive.writestr("../main.nf", NF)
    path.write_bytes(outside.getvalue())
    (issue,) = told(path)
    assert "'../main.nf', which lies outside of the archive. Zip the definition's folder from inside" in issue


def test_an_archive_with_a_file_that_is_a_folder_too_is_told(tmp_path: Path) -> None:
    path = tmp_path / "flow.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("main.wdl", "lib", "lib/a.wdl"):
            archive.writestr(name, WDL)
    (issue,) = told(path)
    assert "holds 'lib' as a file, and as the folder of 'lib/a.wdl'. Rename one of them" in issue


def test_who_may_run_a_file_beside_its_owner_is_no_content(tmp_path: Path) -> None:
    folder = write(tmp_path / "flow", {"main.nf": NF, "bin/a.py": "x"})
    digests = []
    for mode in (0o644, 0o655, 0o755):
        (folder / "bin" / "a.py").chmod(mode)
        operator = OmicsCreateWorkflowOperator(task_id="create", name="w", definition=folder, check_definition="off")
        digests.append(operator.creation().digest)
    assert [digests.index(digest) for digest in digests] == [0, 0, 2]


def test_archives_of_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    archives, digests = set(), set()
    for number in range(2):
        folder = write(tmp_path / f"flow{number}", dict(sorted({"main.nf": NF, "bin/a.py": "x"}.items(), reverse=True)))
        (folder / "bin" / "a.py").chmod(0o777 - 0o20 * number)
        creation = OmicsCreateWorkflowOperator(
            task_id="create", name="w", definition=folder, check_definition="off"
        ).creation()
        archives.add(creation.request["definitionZip"])
        digests.add(creation.digest)
    (archive,) = archives
    assert len(digests) == 1
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert [(info.filename, info.external_attr >> 16 & 0o777) for info in opened.infolist()] == [
            ("bin/a.py", 0o755),
            ("main.nf", 0o644),
        ]
