"""Validates CWL documents with cwltool, in a process of its own, which reaches no network.

    python -m airflow_provider_omics.workflows.cwl_reader MAIN DOCUMENT...

It prints lists, each in a line, with what cwltool says of each that is not valid: of the documents only if MAIN is not,
which has the first place. Each list has what the one before has, and maybe more.
"""

from __future__ import annotations

import io
import json
import logging
import socket
import sys
from importlib import import_module
from typing import Any

_VALIDATE = ("--validate", "--skip-schemas", "--disable-js-validation", "--disable-color")


def main(path: str, *others: str) -> None:
    """Print what is wrong with a document, and with those that it refers to."""
    socket.socket.connect = _refuse  # type: ignore[method-assign]
    found: list[str] = []
    for each in (path, *others):
        said = _said_of(each)
        found += [] if said is None else [said]
        print(json.dumps(found), flush=True)
        if not found:
            return


def _refuse(*_: object) -> None:
    raise OSError("there is no network here")


def _said_of(path: str) -> str | None:
    # It may be missing, as it is where types are checked.
    cwltool: Any = import_module("cwltool.main")
    said = io.StringIO()
    code = cwltool.main(
        [*_VALIDATE, path], stdout=io.StringIO(), stderr=said, logger_handler=logging.StreamHandler(said)
    )
    return said.getvalue() if code else None


if __name__ == "__main__":
    main(*sys.argv[1:])
