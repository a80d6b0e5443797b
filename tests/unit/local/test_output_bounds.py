"""How many output files a task may have, and where they have to lie: what says so before anything is read or linked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cwltool.context import RuntimeContext
from cwltool.errors import WorkflowException

from airflow_provider_omics.local.executors import cwl_confined

TOO_MANY = "there are more than 100,000 output files; put them into an archive"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


def make_outputs(folder: Path) -> None:
    outputs = folder / "work" / "d"
    outputs.mkdir(parents=True)
    for number in range(4):
        outputs.joinpath(str(number)).touch()


def test_outputs_of_cwl_tasks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_outputs(folder)
    context = RuntimeContext()
    boundary = cwl_confined.confine_running(context, folder)
    files = context.make_fs_access(str(folder / "work"))
    outputs = {"out": {"class": "Directory", "location": (folder / "work" / "d").as_uri()}}
    boundary.check_outputs(outputs)
    assert len(files.glob("d/*")) == 4
    monkeypatch.setattr(cwl_confined, "MOST_OUTPUTS", 3)
    with pytest.raises(WorkflowException, match=TOO_MANY):
        boundary.check_outputs(outputs)
    with pytest.raises(WorkflowException, match=TOO_MANY):
        files.glob("d/*")


def test_outputs_of_wdl_tasks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("WDL", reason="needs miniwdl")
    from airflow_provider_omics.local.executors import wdl_tasks

    settings: Any = {"file_io": {"root": str(folder)}}
    container = wdl_tasks.LocalContainer(settings, "t", str(folder))
    make_outputs(folder)
    assert container.host_path("d/0") == str(folder / "work" / "d" / "0")
    assert container.host_path("d/none") is None
    folder.joinpath("stdout.txt").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match=r"'stdout\.txt' leads to '/etc/passwd', which is outside of the run's folder"):
        container.host_path(str(folder / "stdout.txt"))
    monkeypatch.setattr(wdl_tasks, "MOST_OUTPUTS", 3)
    container.host_path("d/1")
    with pytest.raises(ValueError, match=TOO_MANY):
        container.host_path("d/2")
