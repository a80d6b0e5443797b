"""The folder of one run, as the server writes to it and reads from it: never through a link that leads elsewhere.

What runs in the folder may put links, pipes and devices there, and may name any path to the server.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe without a writer would keep whoever opens it waiting.
_OLD_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


MOST_OUTPUTS = 100_000
TOO_MANY_OUTPUTS = f"there are more than {MOST_OUTPUTS:,} output files; put them into an archive"
"""Of one task: each becomes an object."""


class OutsideOfRun(Exception):
    """A path leads out of the run's folder, or to what is no file; the text says which and why."""


class RunFolder:
    """Opens files of one run.

    :param path: the run's folder; must exist.
    :ivar path: the same, without links in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve(strict=True)

    def create(self, path: Path) -> BinaryIO:
        """Open a new file for writing, in place of one that is there; its folders are made.

        :param path: where, below the run's folder.
        :raises OutsideOfRun: the path is not below the folder, or a link is in its way.
        """
        parts = self._parts(path)
        folder = self._open_folder(parts[:-1], path, make=True)
        try:
            with suppress(FileNotFoundError):
                os.unlink(parts[-1], dir_fd=folder)
            return os.fdopen(os.open(parts[-1], _NEW_FILE, 0o644, dir_fd=folder), "wb")
        except OSError as error:
            raise OutsideOfRun(f"{str(path)!r} cannot be a file: {error.strerror}") from None
        finally:
            os.close(folder)

    def open(self, path: Path) -> BufferedReader:
        """Open a regular file for reading; links are followed as long as they end inside of the run's folder.

        :param path: the file.
        :raises OutsideOfRun: it, or what it is a link to, is not below the folder, does not exist, or is no file.
        """
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise OutsideOfRun(f"{path.name!r} leads nowhere: {error}") from None
        if not real.is_relative_to(self.path):
            raise OutsideOfRun(f"{path.name!r} leads to {str(real)!r}, which is outside of the run's folder")
        parts = self._parts(real)
        folder = self._open_folder(parts[:-1], path, make=False)
        try:
            descriptor = os.open(parts[-1], _OLD_FILE, dir_fd=folder)
        except OSError as error:
            raise OutsideOfRun(f"{path.name!r} cannot be read: {error.strerror}") from None
        finally:
            os.close(folder)
        file = os.fdopen(descriptor, "rb")
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise OutsideOfRun(f"{path.name!r} is not a regular file")
        return file

    def _parts(self, path: Path) -> tuple[str, ...]:
        if not path.is_relative_to(self.path) or path == self.path or ".." in path.parts:
            raise OutsideOfRun(f"{str(path)!r} is outside of the run's folder")
        return path.relative_to(self.path).parts

    def _open_folder(self, parts: tuple[str, ...], path: Path, *, make: bool) -> int:
        folder = os.open(self.path, _FOLDER)
        for part in parts:
            try:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=folder)
                inner = os.open(part, _FOLDER, dir_fd=folder)
            except OSError as error:
                raise OutsideOfRun(f"{str(path)!r} has {part!r} in its way: {error.strerror}") from None
            finally:
                os.close(folder)
            folder = inner
        return folder
