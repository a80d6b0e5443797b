"""Builds the wheel and checks it as a user meets it: installed without extras, found by Airflow.

Runs in an environment that has ``hatchling``; the checks themselves run in a clean one that this makes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from virtual_environment import ENVIRONMENTS, ROOT, make_environment

DISTRIBUTION = "airflow-provider-omics"
LINKS_MODULE = "airflow_provider_omics.links.omics"

IMPORT_EVERYTHING = """
import importlib, importlib.util, pkgutil, airflow_provider_omics as package
for extra in ("moto", "cwltool"):
    if importlib.util.find_spec(extra):
        raise SystemExit(f"{extra} must not be installed here")
prefix = "airflow_provider_omics."
names = [module.name for module in pkgutil.walk_packages(package.__path__, prefix)]
outside = [name for name in names if name.split(".")[1] != "local"]
for name in outside:
    importlib.import_module(name)
missing = {"hooks", "operators", "triggers", "sensors", "links"} - {name.split(".")[1] for name in outside}
if missing:
    raise SystemExit(f"the wheel has no {missing}")
print(f"{len(outside)} modules import without the extra 'local'")
"""

IMPORT_EXAMPLES = """
import runpy, sys
from pathlib import Path
from airflow.sdk import DAG
for file in sorted(Path(sys.argv[1]).glob("*.py")):
    dags = [value for value in runpy.run_path(str(file)).values() if isinstance(value, DAG)]
    if not dags:
        raise SystemExit(f"{file.name} has no DAG")
    print(*(dag.dag_id for dag in dags))
"""


class CheckError(Exception):
    """The wheel is not as it should be; the text says in what."""


def main() -> int:
    """Build, install and check; return the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build_wheel(Path(scratch))
        clean = Path(scratch) / "clean"
        lock = ENVIRONMENTS["test-3.3"].lock_file
        make_environment(clean, lock, ["-c", str(lock), str(wheel)])
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_"))},
            "AIRFLOW_HOME": str(Path(scratch) / "home"),
        }
        run = Runner(clean / "bin", environment)
        try:
            for check in (check_providers, check_links, check_imports, check_local_command, check_examples):
                check(run)
        except CheckError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


class Runner:
    """Runs programs of the clean environment.

    :param programs: the environment's folder of programs.
    :param environment: the environment variables they see.
    """

    def __init__(self, programs: Path, environment: dict[str, str]) -> None:
        self._programs = programs
        self._environment = environment

    def __call__(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self._programs / program), *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def output(self, program: str, *arguments: str) -> str:
        """Return what the program prints.

        :raises CheckError: it failed.
        """
        answer = self(program, *arguments)
        if answer.returncode:
            raise CheckError(f"{program} {' '.join(arguments)} failed:\n{answer.stdout}{answer.stderr}")
        return answer.stdout

    def shell(self, command: str, folder: str) -> None:
        """Run a line of a page in a folder, with the environment's programs.

        :raises CheckError: it failed.
        """
        path = f"{self._programs}{os.pathsep}{self._environment['PATH']}"
        answer = subprocess.run(
            ["bash", "-ec", command],
            cwd=folder,
            env={**self._environment, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            raise CheckError(f"{command} failed:\n{answer.stdout}{answer.stderr}")


def build_wheel(scratch: Path) -> Path:
    """Build the wheel into a folder and return its path."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(scratch)],
        cwd=ROOT,
        check=True,
    )
    (wheel,) = scratch.glob("*.whl")
    return wheel


def check_providers(run: Runner) -> None:
    """Airflow lists the provider with its version, and shows its details."""
    listed = json.loads(run.output("airflow", "providers", "list", "--output", "json"))
    ours = [entry for entry in listed if entry["package_name"] == DISTRIBUTION]
    code = f"import importlib.metadata; print(importlib.metadata.version('{DISTRIBUTION}'))"
    version = run.output("python", "-c", code).strip()
    if [entry["version"] for entry in ours] != [version]:
        raise CheckError(f"airflow providers list shows {ours} for version {version}")
    details = run.output("airflow", "providers", "get", DISTRIBUTION, "--full", "--output", "json")
    if "airflow_provider_omics.operators.run" not in details:
        raise CheckError(f"airflow providers get does not show the operators:\n{details}")
    print(f"airflow providers list: {ours[0]}")


def check_links(run: Runner) -> None:
    """Airflow knows every link class of the wheel."""
    code = (
        f"import inspect, {LINKS_MODULE} as links\n"
        "print(*(name for name, item in inspect.getmembers(links, inspect.isclass)"
        " if item.__module__ == links.__name__ and not inspect.isabstract(item)))"
    )
    classes = {f"{LINKS_MODULE}.{name}" for name in run.output("python", "-c", code).split()}
    listed = run.output("airflow", "providers", "links", "--output", "json")
    unknown = {name for name in classes if f'"{name}"' not in listed}
    if not classes or unknown:
        raise CheckError(f"airflow providers links does not show {unknown or 'any link'}:\n{listed}")
    print(f"airflow providers links: {', '.join(sorted(classes))}")


def check_imports(run: Runner) -> None:
    """Everything outside ``local`` imports where neither moto nor cwltool is installed."""
    print(run.output("python", "-c", IMPORT_EVERYTHING).strip())


def check_local_command(run: Runner) -> None:
    """The local server's command says that the extra is missing, and how to get it."""
    answer = run("airflow-omics-local", "--port", "0")
    said = answer.stderr.strip()
    if answer.returncode == 0 or "Traceback" in said or f"{DISTRIBUTION}[local]" not in said:
        raise CheckError(f"airflow-omics-local without its extra ended with {answer.returncode}:\n{said}")
    print(f"airflow-omics-local without its extra: {said}")


def check_examples(run: Runner) -> None:
    """The line of the page copies the example DAGs out of the package, and each can be imported."""
    page = (ROOT / "docs" / "start" / "install.md").read_text(encoding="utf-8")
    (line,) = (line for line in page.splitlines() if line.startswith("cp -r "))
    with tempfile.TemporaryDirectory() as folder:
        dags = Path(folder) / "dags"
        dags.mkdir()
        run.shell(line, folder)
        expected = sorted(file.name for file in (ROOT / "example_dags").glob("*.py"))
        if sorted(file.name for file in dags.glob("*.py")) != expected:
            raise CheckError(f"the wheel has {sorted(file.name for file in dags.iterdir())} in place of {expected}")
        print(f"example DAGs: {' '.join(run.output('python', '-c', IMPORT_EXAMPLES, str(dags)).split())}")


if __name__ == "__main__":
    sys.exit(main())
