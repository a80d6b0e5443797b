"""The scripts say what is wrong before they install or start anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import virtual_environment
from virtual_environment import ENVIRONMENTS

SCRIPTS = Path(__file__).parents[2] / "scripts"
BARE = {"PATH": os.defpath, "PYTHON": sys.executable}


def run(script: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script as on a bare machine, in another folder."""
    return subprocess.run(
        [str(SCRIPTS / script), *arguments],
        cwd=cwd,
        env={**BARE, "HOME": str(cwd), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_runs_airflow_on_sqlite() -> None:
    # Where tasks run side by side, it answers the one beside that "database is locked", and the REST API with 500.
    files = [path for name in ("scripts", "tests", "benchmarks") for path in (SCRIPTS.parent / name).rglob("*")]
    programs = {path for path in files if path.suffix in ("", ".py", ".sh") and path.is_file()} - {Path(__file__)}
    assert [path for path in sorted(programs) if b"sqlite" in path.read_bytes().lower()] == []


def test_the_demo_explains_itself(tmp_path: Path) -> None:
    answer = run("demo", "--help", cwd=tmp_path)

    assert answer.returncode == 0
    assert "--samplesheet CSV" in answer.stdout
    assert "--ui" in answer.stdout
    assert "--database URL" in answer.stdout


def test_the_demo_refuses_a_bad_sheet_before_it_installs_anything(tmp_path: Path) -> None:
    (tmp_path / "sheet.csv").write_text("sample,fastq_1\nliver,none.fq\n")

    answer = run("demo", "--samplesheet", "sheet.csv", cwd=tmp_path)

    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.splitlines() == [
        "error: the sample sheet cannot be used, and nothing was started.",
        "sheet.csv: row 2, column fastq_1: there is no file none.fq beside the sheet or in the current directory."
        " Correct the path.",
    ]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mysql://me:s3cret@127.0.0.1/airflow", "takes a PostgreSQL server, postgresql://..., not mysql://..."),
        ("me:s3cret@127.0.0.1", "takes an address such as postgresql://user:password@host:5432/database"),
        ("", "takes an address such as postgresql://user:password@host:5432/database"),
    ],
)
def test_the_demo_refuses_what_is_no_postgresql_before_it_installs_anything(
    tmp_path: Path, address: str, said: str
) -> None:
    answer = run("demo", "--database", address, cwd=tmp_path)

    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1] == f"scripts/demo: error: argument --database: {said}"
    assert "s3cret" not in answer.stdout + answer.stderr


def test_the_demo_says_at_once_that_the_server_of_ones_own_cannot_be_reached() -> None:
    command = [sys.executable, str(SCRIPTS / "lib" / "demo_run.py")]
    address = "postgresql://me:s3cret@127.0.0.1:1/postgres"
    answer = subprocess.run([*command, "--database", address], capture_output=True, text=True, check=False)

    assert answer.returncode == 2
    beginning = "error: the PostgreSQL server of --database cannot be used. postgresql://me:***@127.0.0.1:1/postgres: "
    (line,) = [line for line in answer.stdout.splitlines() if line.startswith("error: ")]
    assert line.startswith(beginning)
    assert "Connection refused" in line
    assert "s3cret" not in answer.stdout + answer.stderr


@pytest.mark.parametrize("script", ["demo", "test", "chaos"])
def test_without_a_python_that_fits_the_scripts_say_which_they_need(tmp_path: Path, script: str) -> None:
    answer = run(script, cwd=tmp_path, PYTHON="/nowhere/python")

    assert answer.returncode == 1
    assert "3.12 3.11" in answer.stderr
    assert "PYTHON=/path/to/python" in answer.stderr


@pytest.mark.parametrize("arguments", [["--airflow", "1.10"], ["--airflow"]])
def test_an_airflow_that_is_not_tested_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    answer = run("test", *arguments, cwd=tmp_path)

    assert answer.returncode == 2
    assert "--airflow takes 2.11 or 3.0 to 3.4" in answer.stderr


def test_what_pip_is_set_up_for_holds_for_uv_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text(
        "[global]\nindex-url = http://mirror.invalid/simple\nproxy = http://proxy.invalid:3128\nretries = 1\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)

    translated = virtual_environment.uv_settings([sys.executable, "-m", "pip"])

    expected = {
        "UV_SYSTEM_CERTS": "true",
        "UV_DEFAULT_INDEX": "http://mirror.invalid/simple",
        "ALL_PROXY": "http://proxy.invalid:3128",
    }
    # The machine's own pip.conf may add a certificate.
    assert {name: value for name, value in translated.items() if name != "SSL_CERT_FILE"} == expected


def test_an_environment_is_made_anew_when_what_it_is_made_from_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virtual_environment, "ROOT", tmp_path)
    lock, project = tmp_path / "requirements" / "airflow-3.3.txt", tmp_path / "pyproject.toml"
    lock.parent.mkdir()
    lock.write_text("uv==1\n")
    project.write_text("[project]\n")
    environment = ENVIRONMENTS["demo"]
    before = environment.fingerprint()
    assert environment.fingerprint() == before

    lock.write_text("uv==2\n")
    with_other_lock = environment.fingerprint()
    project.write_text("[project]\nversion = '2'\n")

    assert len({before, with_other_lock, environment.fingerprint()}) == 3


def test_an_installation_that_fails_says_what_to_do_and_is_tried_again(tmp_path: Path) -> None:
    checkout = tmp_path / "a checkout"
    for folder in ("scripts", "requirements"):
        shutil.copytree(SCRIPTS.parent / folder, checkout / folder)
    shutil.copy(SCRIPTS.parent / "pyproject.toml", checkout)
    command = [sys.executable, str(checkout / "scripts" / "lib" / "virtual_environment.py"), "demo"]
    environment = {**BARE, "HOME": str(tmp_path), "PIP_NO_INDEX": "1"}

    for _ in range(2):
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert answer.returncode == 1
        assert answer.stdout == ""
        assert "Installing Airflow 3.3" in answer.stderr
        assert "error: The packages could not be installed." in answer.stderr
        assert "pip config list" in answer.stderr
