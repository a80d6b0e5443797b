"""What an engine logs, on its way to the server."""

from __future__ import annotations

import logging
import re
import threading
from pathlib import Path

from airflow_provider_omics.local.executors.messages import MessageStream

_ADDRESS = re.compile(r"\(\d{9,}\) ")


class ErrorMemory(logging.Handler):
    """Sends an engine's log lines to the server, and remembers the last error of each thread."""

    def __init__(self, stream: MessageStream, directory: Path) -> None:
        super().__init__(logging.INFO)
        self._stream = stream
        self._directory = directory
        self._errors: dict[int, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        text = self.shorten(self.format(record))
        if record.levelno >= logging.ERROR:
            self._errors[threading.get_ident()] = text
        self._stream.send({"engine": f"{record.levelname} {text}"})

    def last(self) -> str | None:
        """Return the last error that this thread has logged since it last asked."""
        return self._errors.pop(threading.get_ident(), None)

    def shorten(self, text: str) -> str:
        """Name files as the definition does, not by where they lie on this machine; leave out addresses of objects."""
        text = _ADDRESS.sub("", text)
        for folder in (self._directory / "definition", self._directory):
            text = text.replace(f"{folder.as_uri()}/", "").replace(f"{folder}/", "")
        return text
