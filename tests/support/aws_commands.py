"""The AWS command line, loaded once: each command has a process of its own, forked from one that has all it imports.

As a program it takes lines of JSON, each with a command's arguments and two files for what it writes, and answers each
with the command's exit status.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path


class AwsCommands:
    """Runs commands, one at a time.

    :param process: runs this module.
    :param folder: for what commands write.
    """

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._lock = threading.Lock()

    def run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        """Run ``aws`` with these arguments to its end."""
        written = [self._folder / f"{name}-{uuid.uuid4()}" for name in ("stdout", "stderr")]
        order = json.dumps({"arguments": arguments, "written": [str(path) for path in written]})
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(f"{order}\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
        return subprocess.CompletedProcess(arguments, status, *(path.read_text() for path in written))


@contextlib.contextmanager
def aws_commands(environment: Mapping[str, str], folder: Path) -> Iterator[AwsCommands]:
    """Load the command line.

    :param environment: all that commands have of the environment.
    :param folder: for what commands write.
    """
    command = [sys.executable, __file__]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield AwsCommands(process, folder)


def main() -> None:
    """Carry out what comes on standard input until that ends."""
    import pytest
    from awscli.clidriver import create_clidriver
    from quick_clients import make_clients_quickly

    make_clients_quickly(pytest.MonkeyPatch())
    # Has all that is read for a client read; nobody answers there.
    with pytest.MonkeyPatch.context() as patch, Path(os.devnull).open("w") as nowhere:
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        with contextlib.redirect_stderr(nowhere):
            create_clidriver().main(["--endpoint-url", "http://127.0.0.1:1", "omics", "list-runs"])
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            for handle, path in enumerate(order["written"], start=1):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), handle)
            status = create_clidriver().main(order["arguments"])
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
