"""What tests that call the local server over HTTP have in common."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from typing import Any

ROLE = "arn:aws:iam::123456789012:role/omics"
DEADLINE_SECONDS = 300
ADMIN_HEADERS = {"X-Omics-Local": "1", "Content-Type": "application/json"}


def wdl_zip() -> bytes:
    """A zipped WDL definition."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("main.wdl", "version 1.0\nworkflow test {}\n")
    return content.getvalue()


def await_status(describe: Callable[[], dict[str, Any]], *wanted: str) -> dict[str, Any]:
    """Ask until the status is one of those wanted, and return that answer."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (answer := describe())["status"] not in wanted:
        assert time.monotonic() < deadline, f"status stayed {answer['status']}, wanted {wanted}"
        time.sleep(0.01)
    return answer
