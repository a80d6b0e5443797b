"""Trees of files that a run has made, which may be nested more deeply than calls, paths or open files can be."""

from __future__ import annotations

import itertools
import os
from contextlib import suppress
from pathlib import Path


def size_of_tree(directory: Path) -> int:
    """Return the bytes of all files below a directory, links not followed; what cannot be reached counts nothing."""
    size, waiting = 0, [str(directory)]
    while waiting:
        # Anything may be gone, or have a path that is too long.
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_size
    return size


def remove_tree(directory: Path) -> None:
    """Remove a directory, whatever a tool has left in it, such as directories that nobody may write to.

    Nobody may write to it meanwhile. What cannot be removed stays, and is no error.
    """
    numbers, waiting = itertools.count(), [str(directory)]
    while waiting:
        folder = waiting.pop()
        with suppress(OSError):
            Path(folder).chmod(0o700)
            with os.scandir(folder) as entries:
                found = list(entries)
            for entry in found:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(_raised(entry.path, f"{directory}.{next(numbers)}"))
                    else:
                        Path(entry.path).unlink()
            Path(folder).rmdir()


def _raised(folder: str, name: str) -> str:
    """Move a directory to beside the topmost one, so that no path to it is long."""
    # A directory that moves is written to, since it knows what it is in.
    path = Path(folder)
    path.chmod(0o700)
    path.rename(name)
    return name
