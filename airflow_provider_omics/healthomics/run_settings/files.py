"""Opening what a user named as a file: a path, a ``file://`` URI, or the ``s3://`` URI of an object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from airflow_provider_omics.healthomics.run_settings.issue_list import UnreadableError

OpenUri = Callable[[str], BinaryIO]

_SHOWN = 100
_FILE, _S3 = "file://", "s3://"


def find_file(name: str, parameter: str, otherwise: str, kinds: str, open_uri: OpenUri) -> Callable[[], BinaryIO]:
    """Find a file, and return what opens it.

    :param name: as the user gave it.
    :param parameter: what it was given in.
    :param otherwise: what else it could have been, such as ``no JSON list``.
    :param kinds: what can be given, for who gave something else.
    :param open_uri: opens an ``s3://`` URI.
    :raises UnreadableError: there is no such file here.
    """
    if name.startswith(_S3):
        return lambda: open_uri(name)
    # As AWS's own tools have it, what follows is a path, which may be a relative one.
    path = Path(name.removeprefix(_FILE))
    if not _exists(path):
        what = f"{name[:_SHOWN]!r} is no file here, no s3:// URI, and {otherwise}"
        raise UnreadableError(parameter, what, kinds)
    if path.is_dir():
        raise UnreadableError(parameter, f"{name!r} is a directory", kinds)
    return lambda: path.open("rb")


@contextmanager
def opened(name: str, open_binary: Callable[[], BinaryIO]) -> Iterator[BinaryIO]:
    """Open a file and close it again.

    :raises UnreadableError: it may not be read.
    """
    try:
        stream = open_binary()
    except PermissionError as error:
        raise UnreadableError(name, "may not be read", "Give the worker's user permission to read it") from error
    try:
        yield stream
    finally:
        stream.close()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        # A text too long, or with a character, for the name of a file.
        return False
