"""An earlier state of the provider, built as a wheel and unpacked, so that Airflow can be started with it."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

from virtual_environment import ROOT

#: The last commit of 0.1.0.
RELEASE_0_1_0 = "6143b54"


class NoEarlierReleaseError(Exception):
    """The earlier state cannot be built; the text says why."""


def unpack_release(commit: str, folder: Path, checkout: Path = ROOT) -> Path:
    """Build the wheel of a commit and unpack it; in front of the import path it hides the checkout's provider.

    :param commit: one that the checkout has.
    :param folder: an empty folder for source, wheel and content.
    :param checkout: of the project; this one if not given.
    :return: what to put on ``PYTHONPATH``.
    :raises NoEarlierReleaseError: the checkout does not have the commit, or the wheel cannot be built.
    """
    source, wheels, content = (folder / name for name in ("source", "wheels", "content"))
    archive = _output(["git", "archive", "--format=zip", commit], checkout)
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        files.extractall(source)
    _output([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)], source)
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(content)
    return content


def _output(command: list[str], folder: Path) -> bytes:
    answer = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    if answer.returncode:
        said = answer.stderr.decode(errors="replace").strip()
        raise NoEarlierReleaseError(f"{' '.join(command)} failed in {folder}: {said}")
    return answer.stdout
