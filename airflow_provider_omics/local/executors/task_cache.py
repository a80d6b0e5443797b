"""The engine's side of a run cache: asks for what earlier runs have saved, and keeps what finished tasks have made."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_provider_omics.local.executors.messages import MessageStream

_VALUES = "values.json"


class TaskCache:
    """What the tasks of one run take from the run cache and leave for it; may be used from several threads at once.

    :param stream: takes the message ``recall``, answered by ``found``.
    :param folder: where entries lie, each in a folder of its own; must not exist.
    """

    def __init__(self, stream: MessageStream, folder: Path) -> None:
        self._stream = stream
        self._folder = folder
        self._numbers = itertools.count()
        self._asking = threading.Lock()
        folder.mkdir()

    def recall(self, name: str, key: str) -> RecalledTask | None:
        """Return what the cache has for a task.

        :param name: of the task, for the records.
        :param key: tells apart what differs in anything that outputs depend on.
        """
        folder = self._new_folder()
        with self._asking:
            answer = self._stream.ask({"recall": {"name": name, "key": key, "folder": str(folder)}})
        return RecalledTask(name, folder) if answer["found"] else None

    def keep(self, key: str, describe: Callable[[Callable[[Path], str]], Any]) -> dict[str, str] | None:
        """Copy what a task has made, before others change it, and return what the server needs to know to save it.

        :param describe: returns the outputs for JSON; calls what it is given with each file or folder in them, and
            puts the text that this returns in its place.
        :return: None where something cannot be kept, such as a pipe, or a link out of the run's folder.
        """
        files = _KeptFiles(self._new_folder(), self._folder.parent)
        try:
            values = describe(files.add)
            text = json.dumps({"values": values, "executables": files.executables, "folders": files.folders})
            files.folder.joinpath(_VALUES).write_text(text, encoding="utf-8")
        except (OSError, TypeError, ValueError):
            return None
        return {"key": key, "folder": str(files.folder)}

    def _new_folder(self) -> Path:
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        return folder


class RecalledTask:
    """What an earlier run has saved of a task, which anyone may have changed who may write to the cache's bucket.

    :param name: of the task, for messages.
    :param folder: has its files.
    :ivar values: the outputs, as they were described.
    :raises DamagedEntry: it is none, or names a file that is not its own.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder.resolve()
        try:
            entry = json.loads(folder.joinpath(_VALUES).read_text(encoding="utf-8"))
            self.values: Any = entry["values"]
            for inner in entry["folders"]:
                self.path(inner).mkdir(parents=True, exist_ok=True)
            for inner in entry["executables"]:
                self.path(inner).chmod(0o755)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise self._damaged(f"{_VALUES} cannot be used: {type(error).__name__}") from None

    def path(self, text: str) -> Path:
        """Return the file or folder that a text in the values stands for.

        :raises DamagedEntry: it is not one of the entry.
        """
        path = self._folder / text
        if ".." in path.parts or not path.resolve().is_relative_to(self._folder):
            raise self._damaged(f"it names {text!r}, which lies outside of it")
        return path

    def _damaged(self, why: str) -> DamagedEntry:
        return DamagedEntry(
            f"The run cache's entry of the task {self._name} was changed: {why}; delete it from the cache's S3 "
            "location, or give another run cache"
        )


class DamagedEntry(Exception):
    """An entry of a run cache is not what a run has saved; the text says which, and what to do."""


class _KeptFiles:
    def __init__(self, folder: Path, run_folder: Path) -> None:
        self.folder = folder
        self._run_folder = run_folder.resolve()
        self.executables: list[str] = []
        self.folders: list[str] = []
        self._names: dict[Path, str] = {}

    def add(self, path: Path) -> str:
        """Copy a file or folder; what lies side by side does so in the copy, too."""
        known = next((parent for parent in (path, *path.parents) if parent in self._names), None)
        if known is not None:
            return str(Path(self._names[known], path.relative_to(known)))
        group = self._names.setdefault(path.parent / "*", f"files/{len(self._names)}")
        name = f"{group}/{path.name}"
        self._copy(path, name)
        self._names[path] = name
        return name

    def _copy(self, path: Path, name: str) -> None:
        target = self.folder / name
        if not path.resolve().is_relative_to(self._run_folder):
            raise ValueError(f"{path} leads out of the run's folder")
        if path.is_dir():
            target.mkdir(parents=True)
            self.folders.append(name)
            for each in path.iterdir():
                self._copy(each, f"{name}/{each.name}")
            return
        if not path.is_file():
            raise ValueError(f"{path} is no regular file")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        if path.stat().st_mode & 0o100:
            self.executables.append(name)


def content_digest(path: Path) -> str:
    """Return a digest of a file's content, or of the names and contents of all files in a folder."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    names = sorted(each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_file())
    return key_of([[name, content_digest(path / name)] for name in names])


def key_of(content: Any) -> str:
    """Return a digest of what JSON can say."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
