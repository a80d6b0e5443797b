"""The cohort file: a JSON array with one run setting a line, written once and never changed."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

_WRITTEN_AT_ONCE = 64 * 1024
_FIRST, _BETWEEN, _LAST, _NONE = b"[\n", b",\n", b"\n]\n", b"[\n]\n"


class Spool:
    """A cohort file that is being written, in the directory for temporary files.

    :ivar path: the file.
    :ivar count: how many run settings it holds.
    :ivar size: its size in bytes.
    """

    def __init__(self) -> None:
        # It outlives this object, so that it can be read, uploaded, and removed by who asked for it.
        self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115
            prefix="omics-run-settings-", suffix=".json", delete=False
        )
        self._hash = hashlib.sha256()
        self.path = Path(self._file.name)
        self.count = 0
        self.size = 0
        self._pending: list[str] = []
        self._pending_size = 0

    def add(self, setting: str) -> None:
        """Write one run setting.

        :param setting: as JSON without line breaks, in ASCII.
        """
        self._pending.append(setting)
        self.count += 1
        self._pending_size += len(setting)
        if self._pending_size >= _WRITTEN_AT_ONCE:
            self._write_pending()

    def finish(self) -> str:
        """Close the file and return its digest."""
        self._write_pending()
        self._write(_LAST if self.count else _NONE)
        self._file.close()
        return self._hash.hexdigest()

    def discard(self) -> None:
        """Remove the file."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _write_pending(self) -> None:
        if self._pending:
            between = _FIRST if self.count == len(self._pending) else _BETWEEN
            self._write(between + _BETWEEN.join(setting.encode("ascii") for setting in self._pending))
            self._pending.clear()
            self._pending_size = 0

    def _write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._hash.update(piece)
        self.size += len(piece)


_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def compact(value: object) -> str:
    """Return a value as JSON in ASCII, with no space in it.

    :raises TypeError, ValueError: it has no form in JSON.
    """
    return _ENCODER.encode(value)
